no_option "$COMPONENT" "$VERSION" "$IN"
set -- unveto "$COMPONENT=$VERSION"
if [ -n "$IN" ]; then
    set -- "$@" --in "$IN"
fi
press "$@"
