package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"

	"github.com/regate/regate/internal/trust"
)

// installed is what came of one client.
type installed struct {
	Client string          `json:"client"`
	Files  []trust.Outcome `json:"files,omitempty"`
	Once   []trust.Once    `json:"once,omitempty"`
	Then   []string        `json:"then,omitempty"` // what remains to be done
	Error  string          `json:"error,omitempty"`

	hand []trust.File // that others' settings are in
}

// installAll writes the files of the clients that were chosen, or else that are
// found here. One that cannot be served is no reason to leave out the others.
func (q *trusting) installAll(ctx context.Context, s streams, all []trust.Client, anchors trust.Bundle) error {
	root, err := os.OpenRoot(q.root)
	if err != nil {
		return fmt.Errorf("--root: %w", err)
	}
	defer root.Close()
	chosen, err := q.choose(root, all)
	if err != nil {
		return err
	}
	if err := q.confirm(s, anchors); err != nil {
		return err
	}
	r := q.report(anchors)
	left := 0
	for _, c := range chosen {
		one := q.installOne(ctx, root, c)
		if one.Error != "" || len(one.hand) > 0 {
			left++
		}
		r.Installed = append(r.Installed, one)
	}
	if err := q.printInstalled(s.out, r); err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("%d of %d clients need a hand, see above", left, len(chosen))
	}
	return nil
}

// choose picks those of all that --for names, or else that are found. Of the
// system's stores that of this system is meant.
func (q *trusting) choose(root *os.Root, all []trust.Client) ([]trust.Client, error) {
	found := func(c trust.Client) bool { return trust.Find(root, c) }
	if len(q.clients) == 0 {
		here := slices.DeleteFunc(all, func(c trust.Client) bool { return c.IsSystem() || !found(c) })
		if len(here) == 0 {
			return nil, errors.New("there is no client here that is known by what it leaves on a machine: name it with --for")
		}
		return here, nil
	}
	chosen, err := trust.Select(all, q.clients)
	if err != nil {
		return nil, err
	}
	chosen = slices.DeleteFunc(chosen, func(c trust.Client) bool {
		return c.IsSystem() && !slices.Contains(q.clients, c.Name) && !found(c)
	})
	if slices.Contains(q.clients, trust.System) && !slices.ContainsFunc(chosen, trust.Client.IsSystem) {
		return nil, errors.New("neither update-ca-certificates nor update-ca-trust is here: name the store with --for debian or --for rhel")
	}
	return chosen, nil
}

func (q *trusting) installOne(ctx context.Context, root *os.Root, c trust.Client) installed {
	one := installed{Client: c.Name}
	var err error
	if one.Files, err = trust.Install(root, c); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: run it as root", err)
		}
		one.Error = err.Error()
		return one
	}
	for i, f := range one.Files {
		if f.State == trust.ByHand {
			one.hand = append(one.hand, c.Files[i])
		}
	}
	one.Once, one.Then = c.Once, c.Then
	switch {
	case !c.IsSystem():
	case q.root != "/":
		one.Then = append(refresh(c), c.Then...)
	default: // also where the files are there already: the last time it may have failed
		if out, err := exec.CommandContext(ctx, c.Refresh[0], c.Refresh[1:]...).CombinedOutput(); err != nil {
			one.Error = fmt.Sprintf("%s: %v: %s", c.Refresh[0], err, out)
		}
	}
	return one
}

func (q *trusting) printInstalled(w io.Writer, r trustReport) error {
	if q.json {
		return r.write(w)
	}
	for _, one := range r.Installed {
		fmt.Fprintln(w, one.Client)
		for _, f := range one.Files {
			fmt.Fprintf(w, "  %s: %s\n", f.State, f.Path)
		}
		for _, f := range one.hand {
			fmt.Fprintf(w, "  what is in %s may be somebody else's: add to it\n", f.Path)
			printIndented(w, "    ", f.Content)
		}
		if one.Error != "" {
			fmt.Fprintf(w, "  not done: %s\n", one.Error)
			continue
		}
		printOnce(w, one.Once)
		for _, step := range one.Then {
			printIndented(w, "  ", step)
		}
	}
	if len(q.clients) == 0 {
		fmt.Fprintln(w, "The system's own store, for curl, crane, helm and others, is as it was: --for system.")
	}
	return nil
}
