package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the module's root, seen from this package.
const root = "../../.."

// pure packages are stepped by simulators: what they do depends on their input
// alone, so they may not reach time, disk, network or a log by themselves.
var pure = []string{"chain", "chain/index", "chain/data", "chain/internal/rule", "chain/tablet", "chain/wire", "master/state", "s3api/route", "s3api/s3err", "s3api/policy"}

// impure standard packages are those through which the world gets in.
var impure = []string{"os", "net", "time", "log", "log/slog", "net/http", "crypto/rand", "math/rand", "math/rand/v2", "sync", "context", "syscall"}

// strangers never import each other: each declares the small interface that it
// needs in chain's types, and cmd wires them.
var strangers = []string{"s3api", "objectd", "master"}

// topLevel is what a newcomer sees first; it is fixed.
var topLevel = []string{".ci", "LICENSE", "README.md", "bench", "chain", "cmd", "deploy", "go.mod", "go.sum", "master", "objectd", "s3api"}

// imports gives, for each package folder, the imports of its non-test files.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		got[pkg] = append(got[pkg], importPaths(t, f.Imports)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func top(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

func TestPurePackagesReachNothing(t *testing.T) {
	all := imports(t)
	for _, pkg := range pure {
		for _, imp := range all[pkg] {
			if slices.Contains(impure, imp) {
				t.Errorf("%s imports %s: a pure package takes time, randomness and I/O only through its events, or it can no longer be replayed", pkg, imp)
			}
			if rest, ok := strings.CutPrefix(imp, "catena/"); ok && !slices.Contains(pure, rest) {
				t.Errorf("%s imports %s, which is not pure", pkg, imp)
			}
		}
	}
}

func TestStrangersStayStrangers(t *testing.T) {
	for pkg, imps := range imports(t) {
		for _, imp := range imps {
			rest, ok := strings.CutPrefix(imp, "catena/")
			if !ok {
				continue
			}
			from, to := top(pkg), top(rest)
			if from != to && slices.Contains(strangers, from) && slices.Contains(strangers, to) {
				t.Errorf("%s imports %s: %s and %s know each other only through interfaces that cmd wires", pkg, imp, from, to)
			}
			if to == "cmd" && from != "cmd" {
				t.Errorf("%s imports %s: flags, environment and exit live in cmd alone", pkg, imp)
			}
			if from == "chain" && to != "chain" {
				t.Errorf("%s imports %s: chain is at the bottom and imports nothing of ours", pkg, imp)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for pkg := range imports(t) {
		if _, err := os.Stat(filepath.Join(root, pkg, "doc.go")); err != nil {
			t.Errorf("%s has no doc.go", pkg)
		}
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".git") || !e.IsDir() && strings.HasPrefix(name, ".") {
			continue
		}
		if e.IsDir() && !slices.Contains(topLevel, name) && !dataDir(name) {
			t.Errorf("folder %s does not belong at the top level: %v", name, topLevel)
		}
	}
}

// dataDir reports a folder that README's first command makes.
func dataDir(name string) bool {
	_, err := os.Stat(filepath.Join(root, name, "identity"))
	return err == nil || len(name) == 2 && name[0] == 'd'
}

func importPaths(t *testing.T, specs []*ast.ImportSpec) []string {
	t.Helper()
	var paths []string
	for _, s := range specs {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}
