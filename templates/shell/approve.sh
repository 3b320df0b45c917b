# Approve.
export SLUICEGATE_REPO='{delivery-repo}'
for word in "$COMPONENT" "$VERSION" "$TO" "$ROLE"; do
    case $word in -*) echo "a value may not begin with -: $word" >&2; exit 2 ;; esac
done
set -- approve "$COMPONENT=$VERSION" --to "$TO" --as "$ROLE"
if [ -n "$WHY" ]; then set -- "$@" "--why=$WHY"; fi
exec sluicegate "$@"
