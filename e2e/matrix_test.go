package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// TestMatrix takes clients through the whole of their work, in every trust
// mode, in front of both generations of the registry: every client in mode
// none, and in the other modes the three that differ most in how they come by
// a token (protocol.md 1.1).
func TestMatrix(t *testing.T) {
	t.Parallel()
	e := startEngines(t)
	var done table
	t.Cleanup(func() { done.print() })
	for _, v := range testbed.Versions {
		for _, m := range modes {
			t.Run(string(v)+"/"+m.name, func(t *testing.T) {
				t.Parallel()
				s := startSite(t, m, v, e)
				for _, name := range clientsFor(m) {
					t.Run(name, func(t *testing.T) {
						w := &walk{t: t, site: s, mode: m, name: name, begun: time.Now()}
						t.Cleanup(func() { done.add(v, w) })
						w.all()
					})
				}
			})
		}
	}
}

func clientsFor(m mode) []string {
	if m.name == "none" {
		return client.Names()
	}
	return []string{"docker", "ctr", "crane"}
}

const version = "1.0.0" // of everything pushed; helm wants it to be one

// A walk is one cell of the matrix.
type walk struct {
	t     *testing.T
	site  *site
	mode  mode
	name  string // of the client
	begun time.Time

	client client.Client
	digest string   // of what was pushed last
	steps  []string // that went well
}

func (w *walk) all() {
	w.client = w.site.client(w.t, w.name)
	w.ok("login", w.client.Login("dev", devPassword))
	w.push("team/" + w.name)
	w.pull("tag", "team/"+w.name+":"+version)
	w.pull("digest", "team/"+w.name+"@"+w.digest)
	w.refused("locked/" + w.name)
	w.mount("team/"+w.name, "team/"+w.name+"-mounted")
	w.delete("team/" + w.name)
	w.index("team/" + w.name + "-index")
	w.anonymous("pub/" + w.name)
}

// ok notes a step that went well, and ends the walk otherwise.
func (w *walk) ok(step string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", step, err)
	}
	w.steps = append(w.steps, step)
}

func (w *walk) push(repo string) {
	w.t.Helper()
	var err error
	w.digest, err = w.client.Push(repo, version)
	w.ok("push", err)
	if !w.site.saw("PUT", "/v2/"+repo+"/manifests/"+version, 201) {
		w.t.Errorf("the registry has not seen a push to %s", repo)
	}
	if !w.mode.unchecked && !w.site.logged("dev", repo, 201) {
		w.t.Errorf("the gate has not logged a push to %s by dev", repo)
	}
}

func (w *walk) pull(step, ref string) {
	w.t.Helper()
	got, err := w.client.Pull(ref)
	w.ok(step, err)
	if got != w.digest {
		w.t.Errorf("pull %s = %s, want %s", ref, got, w.digest)
	}
}

// refused pushes where dev may only pull, and looks at what a person reads.
func (w *walk) refused(repo string) {
	w.t.Helper()
	_, err := w.client.Push(repo, version)
	if err == nil {
		w.t.Fatalf("push to %s went through", repo)
	}
	want := refusals(w.name)
	if w.mode.unchecked {
		want = registryRefusals(w.name)
	}
	if !strings.Contains(err.Error(), want) {
		w.t.Errorf("refused push: got %v\nwant %q in it", err, want)
	}
	if w.site.saw("POST", "/v2/"+repo+"/blobs/uploads/", 202) {
		w.t.Errorf("the registry began an upload to %s", repo)
	}
	w.steps = append(w.steps, "refused")
}

// refusals is what each client prints for a push to locked/NAME that the gate
// refuses. What we say reaches people wherever the client prints what it is told.
func refusals(name string) string {
	switch name {
	case "docker", "podman", "skopeo", "buildah":
		return "denied: " + reason("locked/"+name)
	case "crane":
		return "UNAUTHORIZED: " + reason("locked/"+name)
	case "helm", "oras":
		return "unauthorized: " + reason("locked/"+name)
	case "ctr":
		return "server message: insufficient_scope: authorization failed"
	default: // regctl
		return "1.0.0: unauthorized"
	}
}

// reason is the gate's own sentence.
func reason(repo string) string { return "dev may not push to " + repo }

// registryRefusals is the same where the registry refuses, which has no words of ours.
func registryRefusals(name string) string {
	switch name {
	case "docker":
		return "denied: requested access to the resource is denied"
	case "ctr":
		return "server message: insufficient_scope: authorization failed"
	default: // crane
		return "UNAUTHORIZED: authentication required"
	}
}

func (w *walk) delete(repo string) {
	w.t.Helper()
	d, can := w.client.(client.Deleter)
	if !can {
		return
	}
	w.ok("delete", d.Delete(repo, w.digest))
	if _, err := w.client.Pull(repo + "@" + w.digest); err == nil {
		w.t.Errorf("%s@%s is still there", repo, w.digest)
	}
}

func (w *walk) mount(from, to string) {
	w.t.Helper()
	m, can := w.client.(client.Mounter)
	if !can {
		return
	}
	w.ok("mount", m.Mount(from+":"+version, to+":"+version))
	if !w.site.mounted(to) {
		w.t.Errorf("no layer of %s was mounted: all were uploaded again", to)
	}
}

func (w *walk) index(repo string) {
	w.t.Helper()
	i, can := w.client.(client.Indexer)
	if !can {
		return
	}
	digest, err := i.PushIndex(repo, version)
	w.ok("index", err)
	if _, err := w.client.Pull(repo + ":" + version); err != nil {
		w.t.Errorf("pull by way of the index: %v", err)
	}
	if got := w.site.platforms(w.t, repo, digest); got != 2 {
		w.t.Errorf("the index at %s has %d platforms, want 2", repo, got)
	}
}

// anonymous pulls, without credentials, what the rules allow to everybody, and
// what they do not.
func (w *walk) anonymous(repo string) {
	w.t.Helper()
	digest, err := w.client.Push(repo, version)
	if err != nil {
		w.t.Fatalf("push %s: %v", repo, err)
	}
	stranger := w.site.client(w.t, w.name)
	got, err := stranger.Pull(repo + ":" + version)
	w.ok("anonymous", err)
	if got != digest {
		w.t.Errorf("anonymous pull = %s, want %s", got, digest)
	}
	if _, err := stranger.Pull("team/" + w.name + "@" + w.digest); err == nil {
		w.t.Error("an anonymous pull of team/ went through")
	}
}

// A table collects the cells as they finish, from several goroutines.
type table struct {
	mu   sync.Mutex // guards rows
	rows []string
}

func (t *table) add(v testbed.Version, w *walk) {
	result := "ok"
	if w.t.Failed() {
		result = "FAILED"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%.1fs\t%s",
		v, w.mode.name, w.name, result, time.Since(w.begun).Seconds(), strings.Join(w.steps, " ")))
}

func (t *table) print() {
	slices.Sort(t.rows)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REGISTRY\tMODE\tCLIENT\tRESULT\tTIME\tSTEPS")
	for _, row := range t.rows {
		fmt.Fprintln(w, row)
	}
	w.Flush()
}
