package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"catena/cmd/internal/admin"
	"catena/cmd/internal/config"
)

func statusCommand(env environment) *cobra.Command {
	var o *operating
	var asJSON, all bool
	c := &cobra.Command{
		Use: "status", Short: "Show masters, stores and chains of a running server, and what happens next",
		Long: "Show who leads, the stores with their space, the chains that are not as they should be, what the planner does next,\n" +
			"and what it waits for.\n\n" +
			"--json prints the answer of GET /v1/status, with everything. Its fields keep their names and meanings; new ones may be\n" +
			"added. The next disk may go when voters_ready is voters_wanted and chains_below_factor is 0; stores[].state is live,\n" +
			"absent, failed or replaced; space.free_bytes counts a device once. cmd/internal/admin/API.md in the source has all of\n" +
			"them. The exit code is 0 when the server answered, also when not all is well; 1 when not." + operatingHelp,
		Args: none,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.ask(c.Context(), func(ctx context.Context, cl admin.Client) error {
				if asJSON {
					return printStatusJSON(ctx, env.stdout, cl)
				}
				st, err := cl.Status(ctx)
				if err != nil {
					return err
				}
				return printStatus(env.stdout, st, all)
			})
		},
	}
	o = addOperating(c, env)
	c.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON, as GET /v1/status answers it")
	c.Flags().BoolVar(&all, "chains", false, "name every chain that is not as it should be, with its replicas")
	return c
}

// printStatusJSON writes for programs: what the server says, and not only what
// this release knows of it.
func printStatusJSON(ctx context.Context, w io.Writer, cl admin.Client) error {
	raw, err := cl.StatusJSON(ctx)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = b.WriteTo(w)
	return err
}

// printStatus writes for people.
func printStatus(w io.Writer, st admin.Status, all bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ncluster %s, factor %d, map version %d\n", st.Software, st.Cluster, st.Factor, st.MapVersion)
	printMasters(&b, st)
	printStores(&b, st)
	fmt.Fprintf(&b, "\nchains: %d (%d tablets, %d data), below factor %d, above factor %d, without writes %d\n",
		st.Chains, st.Tablets, st.DataChains, st.Below, st.Above, st.Unwritable)
	printTrouble(&b, st.Trouble, all)
	printPlan(&b, st.Plan)
	for _, f := range st.Forced {
		fmt.Fprintf(&b, "forced: chain %d was started from %s in epoch %s: %s\n", f.Chain, f.Replica, f.Epoch, f.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printMasters(b *strings.Builder, st admin.Status) {
	paths := map[string]string{}
	for _, s := range st.Stores {
		paths[s.ID] = s.Path
	}
	fmt.Fprintf(b, "masters: %d of %d voters ready", st.VotersReady, st.VotersWanted)
	switch {
	case st.Leader == "":
		b.WriteString(", NONE LEADS: no chain changes its members until most of the voters are back")
	case st.VotersReady < st.VotersWanted:
		b.WriteString("; no further disk may go until all are")
	}
	b.WriteByte('\n')
	for _, m := range st.Masters {
		fmt.Fprintf(b, "  %-9s %s %s", m.Role, m.Store[:8], paths[m.Store])
		if m.Reason != "" {
			fmt.Fprintf(b, " (%s)", m.Reason)
		}
		b.WriteByte('\n')
	}
}

func printStores(b *strings.Builder, st admin.Status) {
	fmt.Fprintf(b, "\nnode %s\n", st.Host)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  store\tstate\tchains\tused\tfree\tdevice\tdirectory\t")
	for _, s := range st.Stores {
		used, free, device := "?", "?", "?"
		if s.Space != nil {
			used, free, device = mebibytes(s.Space.Used), mebibytes(s.Space.Free), cmp.Or(s.Space.Device, "?")
		}
		fmt.Fprintf(t, "  %s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", s.ID[:8], storeWord(s), s.Replicas, used, free, device, s.Path, s.Reason)
	}
	_ = t.Flush() // into memory
	printSpace(b, st)
	for _, s := range st.Stores {
		printAway(b, s)
	}
}

func mebibytes(n int64) string { return config.Size(n >> 20 << 20).String() }

// printSpace says what all stores take and have. Free space that several stores
// share counts once, and it is said who shares it.
func printSpace(b *strings.Builder, st admin.Status) {
	if st.Space.Devices == 0 {
		return // nobody says
	}
	devices := fmt.Sprintf("%d devices", st.Space.Devices)
	if st.Space.Devices == 1 {
		devices = "1 device"
	}
	fmt.Fprintf(b, "  together: %s used, %s free on %s; each object takes its size once for each copy\n",
		mebibytes(st.Space.Used), mebibytes(st.Space.Free), devices)
	var order []string
	on := map[string][]string{}
	for _, s := range st.Stores {
		if s.Space == nil || s.Space.Device == "" {
			continue
		}
		if on[s.Space.Device] == nil {
			order = append(order, s.Space.Device)
		}
		on[s.Space.Device] = append(on[s.Space.Device], s.Path)
	}
	for _, device := range order {
		if paths := on[device]; len(paths) > 1 {
			fmt.Fprintf(b, "  %s share device %s: its free space counts once, and what loses it loses all of them\n",
				strings.Join(paths, ", "), device)
		}
	}
}

// printAway says of a store that is away what that means.
func printAway(b *strings.Builder, s admin.Store) {
	if s.AwaySince.IsZero() {
		return
	}
	since := s.AwaySince.Format(time.RFC3339) // as Next has its times
	if s.AwayOrLonger {
		since += " or longer (it was not there when this server started)"
	}
	word := storeWord(s)
	if s.State == "absent" {
		word += ", but not broken,"
	}
	fmt.Fprintf(b, "  store %s is %s since %s: %s\n", s.ID[:8], word, since, s.Next)
}

func storeWord(s admin.Store) string {
	switch {
	case s.State != "live":
		return s.State
	case !s.Alive:
		return "silent"
	case s.Full:
		return "full"
	case s.Space != nil && s.Space.Damaged+s.Space.Quarantined > 0:
		return fmt.Sprintf("live, %d damaged", s.Space.Damaged+s.Space.Quarantined)
	}
	return "live"
}

// printTrouble groups the chains by what happens to them, or names each.
func printTrouble(b *strings.Builder, chains []admin.Chain, all bool) {
	if all {
		for _, c := range chains {
			fmt.Fprintf(b, "  chain %d (%s), epoch %s, min_ack %d: serving %v, joining %v, hold every acknowledged write %v, former %v\n    %s\n",
				c.ID, c.Kind, c.Epoch, c.MinAck, c.Serving, c.Syncing, c.Recoverable, c.Former, c.Next)
		}
		return
	}
	byNext := map[string][]admin.Chain{}
	var order []string
	for _, c := range chains {
		next := c.Next
		if strings.HasPrefix(next, "next: ") {
			next = "in the plan"
		}
		if byNext[next] == nil {
			order = append(order, next)
		}
		byNext[next] = append(byNext[next], c)
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(byNext[b]) - len(byNext[a]) })
	for _, next := range order {
		fmt.Fprintf(b, "  %s: %s\n", chainNames(byNext[next]), next)
	}
}

// chainNames names a few chains and counts the rest.
func chainNames(chains []admin.Chain) string {
	const most = 8
	var names []string
	for _, c := range chains[:min(len(chains), most)] {
		names = append(names, fmt.Sprint(c.ID))
	}
	out := "chain " + strings.Join(names, ", ")
	if n := len(chains) - most; n > 0 {
		out += fmt.Sprintf(" and %d more", n)
	}
	return out
}

func printPlan(b *strings.Builder, plan []string) {
	const most = 10
	if len(plan) == 0 {
		b.WriteString("plan: nothing to change\n")
		return
	}
	fmt.Fprintf(b, "plan: %d changes\n", len(plan))
	for _, line := range plan[:min(len(plan), most)] {
		fmt.Fprintf(b, "  %s\n", line)
	}
	if n := len(plan) - most; n > 0 {
		fmt.Fprintf(b, "  and %d more\n", n)
	}
}
