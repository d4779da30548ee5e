"""The outside: Ray Serve deployment, HTTP and gRPC, events, ledger, client, command line, demo."""
