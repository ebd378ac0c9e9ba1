"""The commented spec that `lossmith init` writes. A test loads it, and checks that what it calls a default is one."""

TEMPLATE = """\
# A Lossmith campaign. Check it with `lossmith run FILE --dry-run`; override any field with --set, such as --set rung.0.steps=40000.

[campaign]
name = "first"            # its name in the archive; letters, digits, - and _
seed = 0                  # the same spec and seed give the same campaign
workers = 2               # trainings at a time; changes no result
# lag = 8                 # proposal k is made after result k - lag; default 4 x workers, fixed when the campaign is created
# references = ["ppo"]    # hand-written programs proposed first; default: all there are
# finalists = 3           # programs judged on the hold-out at the end

[budget]                  # hard limits: the first one reached ends the search
evaluations = 40          # programs that reach the first rung
# proposals = 400         # programs written, however they end; default 10 x evaluations
# wall_clock_minutes = 60
# device_seconds = 7200   # of training, summed over workers

[proposer]
kind = "mutation"         # edits of the references and of what the archive holds: needs no model and no key
# A language model instead (or both, each as [[proposer]]); docs/models.md says what that takes in hours and money:
#   kind = "openai"         # any endpoint that speaks OpenAI's chat completions; the key comes from OPENAI_API_KEY
#   model = "gpt-5-mini"
#   base_url = "https://api.openai.com/v1"  # or http://localhost:8000/v1: vLLM, Ollama, llama.cpp
#   kind = "transformers"   # or weights on this machine: a folder, or a hub id, in `model`
# and then, in [budget], hard limits on what it costs:
#   money = 2.0             # US dollars
#   tokens = 2_000_000      # of prompts and answers
#   calls = 150

[search]
# strategy = "evolve"     # "best-of-n": independent samples; "random": mutations whatever the score. `lossmith compare` tells them apart
# islands = 1             # each has a grid of its own and draws parents from it; proposals go to them in turn
# migrate_every = 20      # results, after which the best of each island is copied to the next
# reevaluations = 2       # the most times one program is evaluated again on fresh seeds, before it is a parent again or called best

# The ladder: every new program trains on the first rung, and climbs on while the upper end of its score's interval reaches `promote`.
# A score of 0 is random play, 1 is the baseline.
[[rung]]
name = "probes"
tasks = ["probe:catch", "probe:delayed-credit"]
steps = 20000             # environment steps of one training
seeds = 3                 # trainings a task
# race = false            # one run after the other, until the whole would clearly end below `promote` and its cell, or above `promote`
# keep = 3                # in place of its cell: the third best of all, where only the best few are wanted
# alpha = 0.2             # how often that may at most happen to a program that is not
promote = 0.8
share = 0.25              # and only if it is among the best quarter of the programs so far: what comes next is dear

[[rung]]
name = "atari"
tasks = ["atari-ram:SpaceInvaders", "atari-ram:Breakout"]
steps = 100000
seeds = 2
# evaluation_episodes = 16
# task_settings = { frame_skip = 4, sticky = 0.25, episodic_life = true, clip_rewards = true, episode_limit = 27000 }
# An agent that never serves is examined up to that limit, half an hour of play; 4500 steps are five minutes of it.

# The final claim is made on tasks and seeds that the search never saw.
[holdout]
name = "holdout"
tasks = ["atari-ram:BeamRider"]
steps = 100000
seeds = 3

# [agent]                 # the same for programs, references and the baseline
# num_envs = 16
# rollout_length = 32
# hidden = [64, 64]
# learning_rate = 3e-4
# device = "cpu"
# threads = 1             # of one convolutional agent on the CPU: more use cores that workers leave idle; results depend on it

# [sandbox]               # where untrusted programs are traced; docs/security.md says what that stops
# backend = "auto"        # docker where its image is built, else bubblewrap; "unsafe" is a plain process
# training = "auto"       # where agents train: "process", "container"; auto is containers where docker can give them a GPU
# trace_seconds = 20
# run_seconds = 600       # of one training
# memory_gb = 4

# What a score of 1 means; stands above the first [section]. A reference, a meta-network of `lossmith baseline list`, or the file of one,
# which a section [network] may tell how to train: learning_rate, replay_ratio; sha256 where it must be a certain one.
# baseline = "ppo"
"""
