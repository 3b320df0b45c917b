# Roll back.
export SLUICEGATE_REPO='{delivery-repo}'
for word in "$COMPONENT"; do
    case $word in -*) echo "a value may not begin with -: $word" >&2; exit 2 ;; esac
done
set -- rollback '{environment}'
if [ -n "$COMPONENT" ]; then set -- "$@" "$COMPONENT"; fi
if [ "$END_SESSIONS" = true ]; then set -- "$@" --end-sessions; fi
if [ -n "$WHY" ]; then set -- "$@" "--why=$WHY"; fi
exec sluicegate "$@"
