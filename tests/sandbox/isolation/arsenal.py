"""Attacks by group. `ATTEMPTS` are expressions that must not succeed inside; `ENDINGS` take a process each; `LEGAL` pass the parse gate.

Inside, a text has `os`, `sys`, `modules` (sys.modules), `builtins` (the unrestricted ones, as a dict) and `libc` in hand
(`sandbox.isolation.probes.PRELUDE`).
SECRET stands in the environment of whoever opened the sandbox and in a file that everybody may read, whose path is put for CANARY.
"""

from __future__ import annotations

from sandbox.errors import Verdict

SECRET = "canary-5f1c77d0"
LEFT = "left-behind-5f1c77d0"
CANARY = "@CANARY@"

OPEN, IMPORT = "builtins['open']", "builtins['__import__']"

NEED_NAMESPACES = {
    "file: canary by os.open": f"os.open('{CANARY}', 0)",
    "file: canary by open": f"{OPEN}('{CANARY}').read()",
    "file: canary by torch": f"torch.from_file('{CANARY}', size=4, dtype=torch.uint8).sum() > 0",
    "file: canary by numpy": f"modules['numpy'].fromfile('{CANARY}', dtype='u1').sum() > 0",
    "file: canary through /proc": f"os.open('/proc/self/root{CANARY}', 0)",
    "file: shadow": "os.open('/etc/shadow', 0)",
    "file: passwd": "os.open('/etc/passwd', 0)",
    "file: keys of root": "os.listdir('/root/.ssh')",
    "file: a disk": "[os.open('/dev/' + name, 0) for name in os.listdir('/dev') if name[:2] in ('vd', 'sd', 'nv')][0]",
    "file: the archive's code": f"{IMPORT}('archive.store')",
    "file: the command's code": f"{IMPORT}('synth.spec')",
    "process: somebody else's memory": "os.open('/proc/' + str(os.getpid() - 1) + '/mem', 0)",
    "process: others are there": "os.kill(os.getpid() - 1, 0) is None",
}
"""What a plain child process could do, and must not in bubblewrap or docker."""

EVERYWHERE = {
    "environment: a key by name": "[os.environ[name] for name in os.environ if 'SECRET' in name][0]",
    "environment: a key by value": f"[value for value in os.environ.values() if {SECRET!r} in value][0]",
    "environment: a key in C": "libc.getenv(b'LOSSMITH_TEST_SECRET') != 0",
    "environment: a key in /proc": f"b'{SECRET}' in {OPEN}('/proc/self/environ', 'rb').read()",
    "environment: a model's key": "os.environ['OPENAI_API_KEY']",
    "write: a file": f"os.open('/tmp/{LEFT}', os.O_CREAT | os.O_WRONLY)",
    "write: a file where it stands": f"os.open('{LEFT}', os.O_CREAT | os.O_WRONLY)",
    "write: by open": f"{OPEN}('/var/tmp/{LEFT}', 'w')",
    "write: a nameless file": "os.open('/tmp', 0o20200000 | os.O_RDWR)",
    "write: shared memory": f"os.open('/dev/shm/{LEFT}', os.O_CREAT | os.O_RDWR)",
    "write: a folder": f"os.mkdir('/tmp/{LEFT}') is None",
    "write: a link": f"os.symlink('/etc/passwd', '/tmp/{LEFT}') is None",
    "write: a pipe with a name": f"os.mkfifo('/tmp/{LEFT}') is None",
    "write: rights": "os.chmod('/tmp', 0o777) is None",
    "write: torch.save": f"modules['torch'].save(torch.ones(1), '/tmp/{LEFT}') is None",
    "write: numpy.save": f"modules['numpy'].save('/tmp/{LEFT}', [1]) is None",
    "write: a file in memory only": "os.memfd_create('x')",
    "write: torch.hub": "modules['torch'].hub.download_url_to_file('http://127.0.0.1:9/x', '/tmp/x') is None",
    "write: its own limits": "modules['resource'].setrlimit(modules['resource'].RLIMIT_AS, (-1, -1)) is None",
    "socket: TCP": "modules['_socket'].socket(2, 1)",
    "socket: UDP": "modules['_socket'].socket(2, 2)",
    "socket: unix": "modules['_socket'].socket(1, 1)",
    "socket: raw": "modules['_socket'].socket(2, 3, 1)",
    "socket: a pair": "modules['_socket'].socketpair()",
    "socket: in C": "libc.socket(2, 1, 0) >= 0",
    "socket: urllib": f"{IMPORT}('urllib.request', fromlist=['x']).urlopen('http://127.0.0.1:9/', timeout=1)",
    "socket: io_uring": "libc.syscall(425, 1, 0) >= 0",
    "process: a thread": "torch.threading.Thread(target=list).start() is None",
    "process: signals its parent": "os.kill(os.getppid(), 0) is None",
    "process: signals everybody": "os.kill(-1, 0) is None",
    "process: signals its group": "os.killpg(0, 0) is None",
    "process: traces": "libc.ptrace(16, 1, 0, 0) == 0",
    "process: reads another's memory": "libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0) == 0",
    "process: a handle on another": "os.pidfd_open(1)",
    "process: better priority": "os.nice(-5) is not None",
    "process: another processor": "os.sched_setaffinity(0, {0}) is None",
    "kernel: a namespace": "libc.unshare(0x10000000) == 0",
    "kernel: somebody else's namespace": "libc.setns(0, 0) == 0",
    "kernel: a mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0) == 0",
    "kernel: chroot": "os.chroot('/tmp') is None",
    "kernel: root": "os.setuid(0) is None",
    "kernel: BPF": "libc.syscall(321, 0, 0, 0) >= 0",
    "kernel: keys": "libc.syscall(250, 0, -3, 0) >= 0",
    "kernel: performance counters": "libc.syscall(298, 0, 0, -1, -1, 0) >= 0",
    "kernel: page faults": "libc.syscall(323, 0) >= 0",
    "kernel: the clock": "modules['time'].clock_settime(0, 0.0) is None",
    "kernel: the host's name": "libc.sethostname(b'x', 1) == 0",
    "kernel: a reboot": "libc.reboot(0) == 0",
    "kernel: takes its filter off": "libc.prctl(22, 0, 0, 0, 0) == 0",
    "forgery: prints into the reply": "os.write(1, b'x') != 1",
    "forgery: finds weights": "[one for one in modules['gc'].get_objects() if isinstance(one, torch.nn.Parameter)][0]",
    "forgery: finds an environment": "[name for name in modules if name.startswith(('ale_py', 'gymnasium', 'sandbox.tasks'))][0]",
    "forgery: finds the score": "modules['sandbox.score']",
}

REFUSED, ANSWERED = "refused", "answered"
"""Two more ends: the tracer itself reports a refusal; an ordinary answer comes out, to be judged as data."""

TIME = {Verdict.TIME_LIMIT}
DEADLY = {Verdict.PROCESS_LIMIT}
MEMORY = {Verdict.MEMORY_LIMIT, REFUSED}
ENDINGS: dict[str, tuple[str, set[str]]] = {
    "fork: os.fork": ("os.fork()", DEADLY),
    "fork: in C": ("libc.fork()", DEADLY),
    "fork: vfork": ("libc.syscall(58)", DEADLY),
    "fork: a bomb": ("while True:\n    os.fork()", DEADLY),
    "fork: multiprocessing": (f"{IMPORT}('multiprocessing').get_context('fork').Process(target=list).start()", {*DEADLY, REFUSED}),
    "exec: os.execv": ("os.execv('/bin/sh', ['sh'])", DEADLY),
    "exec: posix_spawn": ("os.posix_spawn('/bin/sh', ['sh'], {})", DEADLY),
    "exec: system": ("os.system('true')", {*DEADLY, ANSWERED}),
    "exec: subprocess": (f"{IMPORT}('subprocess').run(['true'])", {*DEADLY, REFUSED}),
    "exec: a compiler by cpp_extension": (
        f"{IMPORT}('torch.utils.cpp_extension', fromlist=['x']).load_inline('x', 'int f() {{ return 1; }}', functions=['f'])",
        {*DEADLY, REFUSED, Verdict.TIME_LIMIT},
    ),
    "memory: one huge tensor": ("torch.ones(10 ** 12)", MEMORY),
    "memory: many tensors": ("big = []\nwhile True:\n    big.append(torch.ones(10 ** 7))", MEMORY),
    "memory: a string that doubles": ("text = 'x'\nwhile True:\n    text += text", MEMORY),
    "memory: mapped in C": ("while libc.mmap(0, 1 << 30, 3, 0x8022, -1, 0) != -1:\n    pass", {*MEMORY, ANSWERED, *TIME}),
    "time: a loop": ("while True:\n    pass", TIME),
    "time: a loop in C": ("sum(range(10 ** 14))", TIME),
    "time: a regular expression": ("modules['re'].match('(a+)+$', 'a' * 60 + 'b')", TIME),
    "time: a huge power": ("10 ** 10 ** 10", {*TIME, *MEMORY}),
    "time: sleep": ("modules['time'].sleep(1000)", TIME),
    "time: silent": ("os.closerange(0, 100)\nmodules['time'].sleep(1000)", TIME),
    "time: deaf to signals": (
        "for number in (15, 2, 1, 14):\n    attempt(lambda: modules['signal'].signal(number, 1))\nwhile True:\n    pass",
        TIME,
    ),
    "crash: a null pointer": ("torch.ctypes.string_at(0)", {Verdict.CRASHED}),
    "crash: abort": ("os.abort()", {Verdict.CRASHED}),
    "crash: recursion without end": (
        "sys.setrecursionlimit(10 ** 9)\ndef down():\n    down()\n\n\ndown()",
        {Verdict.CRASHED, *MEMORY, *TIME},
    ),
    "crash: recursion": ("def down():\n    down()\n\n\ndown()", {REFUSED}),
    "output: prints without end": ("while True:\n    os.write(1, b'x' * 65536)", TIME),
    "output: floods every channel": (
        "for fd in range(3, 64):\n    attempt(lambda: [os.write(fd, b'x' * 65536) for _ in range(10 ** 6)])",
        {Verdict.OUTPUT_LIMIT},
    ),
    "forgery: exit code 0": ("os._exit(0)", {Verdict.PROTOCOL_ERROR}),
    "forgery: an exit code like a kill": ("os._exit(137)", {Verdict.CRASHED}),
    "forgery: half a reply": (
        "for fd in range(3, 64):\n    attempt(lambda: os.write(fd, (99).to_bytes(8, 'big') + b'x'))\nos._exit(0)",
        {Verdict.PROTOCOL_ERROR},
    ),
    "forgery: a reply too many": (
        "for fd in range(3, 64):\n    attempt(lambda: os.write(fd, (14).to_bytes(8, 'big') + b'{\"score\": 1e9}'))",
        {ANSWERED},  # with something that is no trace
    ),
    "secret: in an error's text": ("raise builtins['ValueError'](str(dict(os.environ)))", {REFUSED}),
    "secret: in an error's name": (f"{SECRET.replace('-', '_')}", {REFUSED}),
}

LEGAL = {
    "memory: a huge tensor": "    return traj.rewards + torch.zeros(100000, 100000, 100).sum()\n",
    "time: a long loop": "    x = traj.rewards\n    for k in range(999):\n        for m in range(999):\n            x += k\n    return x\n",
    "result: not a number": "    return traj.rewards * float('nan')\n",
    "result: infinite": "    return traj.rewards / 0.0\n",
    "result: of a wrong shape": "    return traj.rewards[0, 0] * torch.ones(7)\n",
    "result: no tensor": "    return 1.0\n",
    "nesting": "    return " + "(" * 60 + "traj.rewards" + ")" * 60 + "\n",
}
"""Bodies of `loss` that are written in the language, or nearly."""

GATED = {
    "import: os": "import os\n",
    "import: from": "from os import system\n",
    "import: by name": "x = __import__('os')\n",
    "object graph: subclasses": "x = ().__class__.__base__.__subclasses__()\n",
    "object graph: globals": "def f():\n    return 1\n\n\nx = f.__globals__\n",
    "object graph: getattr": "x = getattr(torch, 'os')\n",
    "object graph: vars": "x = vars(torch)\n",
    "object graph: a format string": "x = '{0.__class__}'.format(1)\n",
    "object graph: an f-string": "x = f'{torch.os}'\n",
    "object graph: frames": "x = torch.sys._getframe()\n",
    "object graph: a generator's frame": "x = (1 for _ in ()).gi_frame\n",
    "object graph: gc": "x = torch.gc.get_objects()\n",
    "code: exec": "exec('1')\n",
    "code: eval": "x = eval('1')\n",
    "code: compile": "x = compile('1', '', 'eval')\n",
    "code: pickle": "x = torch.load('x')\n",
    "code: jit": "x = torch.jit.script(torch.nn.Identity())\n",
    "code: torch.compile": "x = torch.compile(torch.sin)\n",
    "code: a decorator": "@torch.no_grad\ndef f():\n    return 1\n",
    "code: a class": "class X:\n    pass\n",
    "code: a metaclass": "class X(metaclass=type):\n    pass\n",
    "code: an operator overloaded": "class X(int):\n    def __add__(self, other):\n        return 1\n",
    "code: a lambda kept": "x = lambda: 1\n",
    "forgery: a hook": "traj.rewards.register_hook(print)\n",
    "forgery: a weight": "x = torch.nn.Linear(1, 1)\n",
    "names: homoglyphs": "def lоss(traj, c):\n    return 1\n",
    "names: invisible": "x\u200b = 1\n",
    "text: a null byte": "x = 1\x00\n",
    "text: a terminal escape": "# \x1b[2J\n",
    "text: nested without end": "x = " + "(" * 3000 + "1" + ")" * 3000 + "\n",
    "text: a huge number": "x = 1" + "0" * 9000 + "\n",
    "text: a huge line": "x = '" + "y" * 100_000 + "'\n",
    "state: global": "def f():\n    global x\n    x = 1\n",
}
"""Module-level lines that the parse gate must refuse by itself."""
