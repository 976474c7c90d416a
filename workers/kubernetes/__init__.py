"""The Kubernetes API, as far as the `Cluster` view needs it: `reading` and `kinds` are pure, the others ask the API server."""
