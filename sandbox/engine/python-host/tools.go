//go:build tools

// Package tools pins the Python language host that bin/sandbox builds when no official one is installed.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
