#!/bin/bash
set -e
printf 'JAVA_WORD=%s\n' "${SET_JDK_VERSION:-none}" > java.env
