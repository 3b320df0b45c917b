# Let a pin move again.
export SLUICEGATE_REPO='{delivery-repo}'
for word in "$COMPONENT" "$IN"; do
    case $word in -*) echo "a value may not begin with -: $word" >&2; exit 2 ;; esac
done
set -- unhold "$COMPONENT" --in "$IN"
if [ -n "$WHY" ]; then set -- "$@" "--why=$WHY"; fi
exec sluicegate "$@"
