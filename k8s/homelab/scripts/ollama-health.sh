#!/bin/sh
# The health check of the homelab profile: reachable, model there, answers in time. `bigo health --help` explains the exit codes.
# OLLAMA_ENDPOINT and OLLAMA_MODEL choose another address and model; more options are those of `bigo health`.
endpoint="${OLLAMA_ENDPOINT:-https://ollama.home.example.com}"
case "${1:-}" in
  --internal)
    shift
    endpoint="${OLLAMA_INTERNAL_ENDPOINT:-http://ollama.ml.svc.cluster.local:11434}"
    ;;
  --external) shift ;;
esac
exec bigo health --endpoint "$endpoint" --model "${OLLAMA_MODEL:-llama3.2:1b}" "$@"
