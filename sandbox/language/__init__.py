"""The program language: parse, toolkit, tracing, gates, fingerprint."""
