//go:build tools

// The module exists for its go.mod and go.sum: they pin opencontainers/runtime-tools, which has no go.mod of its own,
// and what it is built from.  tests/real/validation.sh builds its programs.
package validation

import (
	_ "github.com/opencontainers/runtime-tools/cmd/runtimetest"
	_ "github.com/opencontainers/runtime-tools/validation/util"
)
