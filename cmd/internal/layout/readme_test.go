package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// step is `file.go` with the names that follow it: `file.go` `Func`, `Func`.
var step = regexp.MustCompile("`([a-z0-9/_]+\\.go)`((?:,? `[A-Za-z]+`)+)")

var quoted = regexp.MustCompile("`([A-Za-z]+)`")

// The README leads a reader through functions: each must be where it says.
func TestReadmeNamesFunctionsThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	steps := step.FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(steps), 15)
	for _, s := range steps {
		there := functions(t, s[1])
		for _, name := range quoted.FindAllStringSubmatch(s[2], -1) {
			require.Contains(t, there, name[1], "in %s", s[1])
		}
	}
}

// functions are the names of a file's functions and methods.
func functions(t *testing.T, file string) (names []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			names = append(names, fn.Name.Name)
		}
	}
	return names
}
