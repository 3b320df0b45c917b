# COMPONENTS and DOWNGRADE are lists of words; no file names are made of them.
set -f
no_option $COMPONENTS "$TO" $DOWNGRADE
set -- promote $COMPONENTS --to "$TO"
for component in $DOWNGRADE; do
    set -- "$@" --downgrade "$component"
done
press "$@"
