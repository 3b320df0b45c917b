no_option "$COMPONENT" "$VERSION" "$IN"
set -- veto "$COMPONENT=$VERSION"
if [ -n "$IN" ]; then
    set -- "$@" --in "$IN"
fi
press "$@"
