#!/bin/sh
# One image, four processes: web, worker, trainer, beat; or any manage.py command.
set -eu
case "${1:-web}" in
  web | worker | trainer | beat)
    process=$1
    shift
    export COMMERCE_AI_PROCESS="$process"
    exec python -m commerce_ai.supervisor "$process" "$@"
    ;;
  *) exec python manage.py "$@" ;;
esac
