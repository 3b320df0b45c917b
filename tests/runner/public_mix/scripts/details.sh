#!/bin/bash
set -eu
cat > "$CASK_ENV" <<END
CASK_URL=http://cask.example.com/$SHORT_GIT_COMMIT
series=
END
