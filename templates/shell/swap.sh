# Swap.
export SLUICEGATE_REPO='{delivery-repo}'
set -- swap '{environment}'
if [ "$BACK" = true ]; then set -- "$@" --back; fi
if [ -n "$WHY" ]; then set -- "$@" "--why=$WHY"; fi
exec sluicegate "$@"
