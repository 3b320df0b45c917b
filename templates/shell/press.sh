# A button. What people type arrives as variables and stays in them: it is never part of a line of shell.
no_option() {
    for word in "$@"; do
        case $word in
            -*) echo "a value may not begin with '-': $word" >&2; exit 2 ;;
        esac
    done
}

# Call sluicegate with these words, and with the reason where one is given.
press() {
    if [ -n "$WHY" ]; then
        set -- "$@" "--why=$WHY"
    fi
    exec sluicegate "$@"
}
