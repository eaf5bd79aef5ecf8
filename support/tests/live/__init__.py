"""Real servers, started on this machine in environments of their own and judged. Not part of the test run."""
