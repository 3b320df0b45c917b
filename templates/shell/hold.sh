no_option "$COMPONENT" "$IN" "$UNTIL"
set -- hold "$COMPONENT" --in "$IN"
if [ -n "$UNTIL" ]; then
    set -- "$@" --until "$UNTIL"
fi
press "$@"
