package campaign

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Line is one slice of a campaign.
type Line struct {
	Campaign string `json:"campaign"`
	Date     string `json:"date"`
	Commit   string `json:"commit"`
	// Hash is over the non-test Go files of the packages under test.
	Hash    string  `json:"hash"`
	Units   int     `json:"units"`
	Minutes float64 `json:"minutes"`
	// Verdict is "pass", or what went wrong.
	Verdict string `json:"verdict"`
	// Detail holds figures of this slice (seeds, objects, slowest restart).
	Detail map[string]any `json:"detail,omitempty"`
}

// File is where the lines are, under the module's root.
const File = "bench/results/campaigns.jsonl"

// Hash is over the names and contents of the named files, and of the non-test
// Go files in the named folders (and below), in order. Packages of test code,
// whose names end in test as httptest's does, are not under test, unless one is
// named itself: a new check voids no earlier slice.
func Hash(root string, named ...string) (string, error) {
	var files []string
	for _, name := range named {
		top := filepath.Join(root, name)
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && path != top && strings.HasSuffix(d.Name(), "test") {
				return filepath.SkipDir
			}
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("campaign: hash: %w", err)
		}
	}
	sort.Strings(files)
	h := sha256.New()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", fmt.Errorf("campaign: hash: %w", err)
		}
		rel, _ := filepath.Rel(root, f)
		fmt.Fprintf(h, "%s %d\n", filepath.ToSlash(rel), len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// Slice is a run whose line is appended by End.
type Slice struct {
	root  string
	line  Line
	begin time.Time
}

// Begin starts a slice of the named campaign over the folders under test.
func Begin(root, name string, folders ...string) (*Slice, error) {
	hash, err := Hash(root, folders...)
	if err != nil {
		return nil, err
	}
	commit, err := exec.Command("git", "-C", root, "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	begin := time.Now()
	return &Slice{root: root, begin: begin, line: Line{
		Campaign: name, Date: begin.UTC().Format(time.RFC3339), Commit: strings.TrimSpace(string(commit)), Hash: hash,
	}}, nil
}

// End appends the line. A nil err is the verdict "pass".
func (s *Slice) End(units int, detail map[string]any, err error) error {
	s.line.Units, s.line.Detail, s.line.Verdict = units, detail, "pass"
	s.line.Minutes = float64(int(time.Since(s.begin).Minutes()*100)) / 100
	if err != nil {
		s.line.Verdict = strings.SplitN(err.Error(), "\n", 2)[0]
	}
	b, merr := json.Marshal(s.line)
	if merr != nil {
		return merr
	}
	path := filepath.Join(s.root, File)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, oerr := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if oerr != nil {
		return oerr
	}
	defer f.Close()
	_, werr := f.Write(append(b, '\n'))
	return werr
}

// Slices gives the recorded lines of a campaign whose hash is the given one.
func Slices(root, name, hash string) (lines []Line, err error) {
	f, err := os.Open(filepath.Join(root, File))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		var l Line
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("campaign: %s line %d: %w", File, n, err)
		}
		if l.Campaign == name && l.Hash == hash {
			lines = append(lines, l)
		}
	}
	return lines, sc.Err()
}

// Passed reports whether the slice found nothing wrong.
func (l *Line) Passed() bool { return l.Verdict == "pass" }

// Sum adds up the passed units of a campaign whose hash is the given one, and
// reports whether a slice of that hash failed.
func Sum(root, name, hash string) (units int, failed bool, err error) {
	lines, err := Slices(root, name, hash)
	for _, l := range lines {
		if !l.Passed() {
			failed = true
			continue
		}
		units += l.Units
	}
	return units, failed, err
}
