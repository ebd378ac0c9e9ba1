# expect: no-program *
