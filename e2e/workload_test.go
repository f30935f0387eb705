package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

type said = map[string]any

// gateName is what the pages have for the gate, and the tests as the audience.
const gateName = "registry.example.com"

// Jobs, as GitHub and GitLab describe them to registries, and a pod.
var (
	githubJob = said{
		"sub": "repo:Acme/app:ref:refs/heads/main", "repository": "Acme/app", "repository_id": "7400", "repository_owner": "Acme", "repository_owner_id": "65600975",
		"ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true", "event_name": "push", "actor": "alice", "run_id": "12", "run_attempt": "1",
		"workflow": "image", "workflow_ref": "Acme/app/.github/workflows/image.yml@refs/heads/main", "job_workflow_ref": "Acme/app/.github/workflows/image.yml@refs/heads/main",
		"runner_environment": "github-hosted", "repository_visibility": "private", "enterprise": "acme-inc", "head_ref": "", "base_ref": "", "sha": strings.Repeat("a", 40),
	}
	gitlabJob = said{
		"sub": "project_path:Acme/web/app:ref_type:branch:ref:main", "project_id": "22", "project_path": "Acme/web/app", "namespace_id": "9970", "namespace_path": "Acme/web",
		"ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true", "user_id": "42", "user_login": "alice", "pipeline_source": "push", "job_id": "302",
		"runner_environment": "gitlab-hosted", "ci_config_ref_uri": "gitlab.com/Acme/web/app//.gitlab-ci.yml@refs/heads/main", "groups_direct": []string{"Acme/web", "other"},
	}
	webPod = said{
		"aud": []string{gateName}, "sub": "system:serviceaccount:prod:web",
		"kubernetes.io": said{"namespace": "prod", "node": said{"name": "n1"}, "pod": said{"name": "web-0", "uid": "u-1"}, "serviceaccount": said{"name": "web", "uid": "u-2"}},
	}
)

// but is a job that differs in something.
func but(job, other said) said {
	job = maps.Clone(job)
	maps.Copy(job, other)
	return job
}

// examples are the blocks of a page in a language.
func examples(t *testing.T, page, language string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool.Root(), "docs", page))
	must(t, err)
	for _, block := range strings.Split(string(text), "```"+language+"\n")[1:] {
		example, _, _ := strings.Cut(block, "```")
		all = append(all, example)
	}
	if len(all) == 0 {
		t.Fatalf("docs/%s has no %s", page, language)
	}
	return all
}

// knowing is the first example of a page for the gate, with this issuer in the
// place of the one it is about, and with accounts of a file.
func knowing(t *testing.T, page, issuer string) string {
	t.Helper()
	yaml := examples(t, page, "yaml")
	for _, example := range yaml {
		if strings.HasPrefix(example, "auth:\n  jwt_auth:") {
			example = regexp.MustCompile(`issuer: .*`).ReplaceAllLiteralString(example, issuer)
			return strings.Replace(example, "auth:\n", fmt.Sprintf("auth:\n  users: {\"admin\": {password: %q}}\n", testbed.Bcrypt(t, adminPassword)), 1)
		}
	}
	t.Fatalf("docs/%s has no example of jwt_auth", page)
	return ""
}

// startKnowing starts a gate with this configuration below auth, and a registry.
func startKnowing(t *testing.T, ca *testbed.CA, config string, e engines) *site {
	t.Helper()
	s := &site{gate: testbed.NewGate(t, ca), engines: e}
	addr := testbed.LocalAddr()
	s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [\"http://%s\"]}}\n%s", addr, config))
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: addr})
	s.gate.Start(t)
	return s
}

func withCA(issuer string, ca *testbed.CA) string {
	return fmt.Sprintf("issuer: %s\n      ca: %s", issuer, ca.File)
}

// TestGitHubJob does what the page for GitHub says, in a shell, with docker.
func TestGitHubJob(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	jobs := testbed.StartJobs(t, ca)
	s := startKnowing(t, ca, knowing(t, "github-actions.md", withCA(jobs.URL, ca)), engines{docker: testbed.StartDocker(t)})
	step := indented(t, examples(t, "github-actions.md", "yaml")[1], "Log in")
	docker := s.client(t, "docker") // has the engine trust the gate
	login := func(step string, job said) (string, error) {
		jobs.Run(job)
		home := testbed.Dir(t)
		return testbed.Try(testbed.Command{Program: "bash", Dir: home, Args: []string{"-e", "-o", "pipefail", "-c", strings.ReplaceAll(step, gateName+" ", s.gate.Host+" ")}, Env: []string{
			"DOCKER_HOST=" + s.engines.docker, "DOCKER_CONFIG=" + filepath.Join(home, "docker"), "CURL_CA_BUNDLE=" + ca.File,
			"ACTIONS_ID_TOKEN_REQUEST_URL=" + jobs.URL + "/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + testbed.JobSecret,
		}})
	}
	if out, err := login(step, githubJob); err != nil || !strings.Contains(out, "Login Succeeded") {
		t.Fatalf("the step of the page: %v\n%s", err, out)
	}
	for name, tt := range map[string]struct {
		step string
		job  said
		want string
	}{
		"another owner": {step, but(githubJob, said{"repository_owner_id": "1", "sub": "repo:Acme/app:x"}), "no rule of jwt_auth is for it"},
		"no audience":   {strings.Replace(step, "&audience="+gateName, "", 1), githubJob, "its audience is"},
	} {
		if _, err := login(tt.step, tt.job); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	main, feature := but(githubJob, said{"aud": gateName}), but(githubJob, said{"aud": gateName, "ref": "refs/heads/feature"})
	must(t, docker.Login("github", jobs.Token(main)))
	digest, err := docker.Push("acme/app", version)
	must(t, err)
	if _, err := docker.Push("acme/other", version); err == nil {
		t.Error("a job has pushed what is another repository's")
	}
	for _, name := range []string{"podman", "skopeo", "buildah", "crane", "regctl", "helm", "oras"} {
		s.pullsOnly(t, name, jobs.Token(feature), "acme/app", digest)
	}
	if n := jobs.Asked(); n != 1 {
		t.Errorf("the issuer was asked for its keys %d times", n)
	}
	for _, line := range []string{`"workload logged in"`, `"rule":0`, `"sub":"repo:Acme/app:ref:refs/heads/main"`, `"subject":"ci/Acme/app"`, `"user":"github"`} {
		if !strings.Contains(s.gate.Log(), line) {
			t.Errorf("the log has no %s", line)
		}
	}
}

// indented is the script of a step in a workflow.
func indented(t *testing.T, workflow, name string) string {
	t.Helper()
	_, rest, _ := strings.Cut(workflow, "- name: "+name+"\n        run: |\n")
	script, _, ok := strings.Cut(rest, "\n      - ")
	if !ok {
		t.Fatalf("no step %s in\n%s", name, workflow)
	}
	return strings.ReplaceAll(script, "\n          ", "\n")
}

// pullsOnly has a job pull, and not push, with a program of its own.
func (s *site) pullsOnly(t *testing.T, name, token, repo, digest string) {
	t.Helper()
	c := s.client(t, name)
	if err := c.Login("ci", token); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if name != "helm" { // which pulls charts alone
		got, err := c.Pull(repo + ":" + version)
		if err != nil || got != digest && name != "skopeo" { // which makes of docker's manifest an OCI one
			t.Errorf("%s: pull: %s, %v; want %s", name, got, err, digest)
		}
	}
	if _, err := c.Push(repo, "x"); err == nil {
		t.Errorf("%s: pushed", name)
	}
}

// TestGitLabJob does what the page for GitLab says.
func TestGitLabJob(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	jobs := testbed.StartJobs(t, ca)
	s := startKnowing(t, ca, knowing(t, "gitlab-ci.md", withCA(jobs.URL, ca)), engines{docker: testbed.StartDocker(t)})
	job := but(gitlabJob, said{"aud": gateName})
	s.client(t, "docker") // has the engine trust the gate
	home := testbed.Dir(t)
	login := regexp.MustCompile(`printf .* --password-stdin`).FindString(examples(t, "gitlab-ci.md", "yaml")[1])
	if out, err := testbed.Try(testbed.Command{Program: "sh", Dir: home, Args: []string{"-c", strings.ReplaceAll(login, gateName, s.gate.Host)}, Env: []string{
		"DOCKER_HOST=" + s.engines.docker, "DOCKER_CONFIG=" + filepath.Join(home, "docker"), "REGISTRY_TOKEN=" + jobs.Token(job),
	}}); err != nil || !strings.Contains(out, "Login Succeeded") {
		t.Errorf("the line of the page: %v\n%s", err, out)
	}
	podman := s.client(t, "podman")
	must(t, podman.Login("gitlab", jobs.Token(job)))
	digest, err := podman.Push("acme/web/app", version)
	must(t, err)
	s.pullsOnly(t, "crane", jobs.Token(but(job, said{"ref_protected": "false"})), "acme/web/app", digest)
	if status, body := s.login(t, "x", jobs.Token(but(job, said{"namespace_id": "1"})), ""); status != 401 {
		t.Errorf("a job of another group gets %d %s", status, body)
	}
}

// TestPod does what the page for Kubernetes says: the keys are in a file, which
// is replaced while the gate runs, and the kubelet's program says what to log in
// with.
func TestPod(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	cluster := testbed.StartJobs(t, ca)
	file := filepath.Join(testbed.Dir(t), "cluster.jwks")
	save(t, file, cluster.Keys())
	config := strings.Replace(knowing(t, "kubernetes-logins.md", "issuer: "+cluster.URL), "/etc/regate/cluster.jwks", file, 1)
	s := startKnowing(t, ca, config, engines{containerd: testbed.StartContainerd(t)})
	digest := s.seedAs(t, cluster.Token(but(webPod, said{"sub": "system:serviceaccount:ci:builder"})), "prod/app")

	old := cluster.Token(webPod)
	s.pullsOnly(t, "ctr", s.askedByKubelet(t, old), "prod/app", digest)
	for name, token := range map[string]string{
		"another namespace": cluster.Token(but(webPod, said{"sub": "system:serviceaccount:dev:web"})),
		"for the API":       cluster.Token(but(webPod, said{"aud": []string{"https://kubernetes.default.svc.cluster.local"}})),
		"without an end":    cluster.Token(but(webPod, said{"exp": nil})),
	} {
		if status, body := s.login(t, "k8s", token, ""); status != 401 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	cluster.Rotate("2")
	next := cluster.Token(webPod)
	if status, _ := s.login(t, "k8s", next, ""); status != 401 {
		t.Errorf("signed by a key that is not in the file: %d", status)
	}
	save(t, file, cluster.Keys())
	eventually(t, "the next key", func() bool { status, _ := s.login(t, "k8s", next, ""); return status == 200 })
	if status, _ := s.login(t, "k8s", old, ""); status != 401 {
		t.Errorf("signed by a key that is gone from the file: %d", status)
	}
	save(t, file, "{")
	eventually(t, "a file that is none is in the log", func() bool { return strings.Contains(s.gate.Log(), "jwks_file") })
	if status, _ := s.login(t, "k8s", next, ""); status != 200 {
		t.Errorf("when the file is damaged: %d", status)
	}
	if n := cluster.Asked(); n != 0 {
		t.Errorf("the cluster was asked for its keys %d times", n)
	}
}

// TestImagePullSecret does what the page says: what kubectl makes of the secret
// of a robot is the file that an engine logs in with.
func TestImagePullSecret(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry3, engines{})
	s.seed(t, "team/app", "pub/app")
	secret := regexp.MustCompile(`rgt_\w+`).FindString(testbed.Run(t, testbed.Command{Program: "regate", Dir: testbed.Dir(t), Args: []string{
		"token", "create", "--owner", "dev", "--robot", "cluster", "--expires", "90d", "--repository", "team/**", "--action", "pull", "-c", s.gate.File,
	}}))
	testbed.Secret(secret)
	made := testbed.Run(t, testbed.Command{Program: "kubectl", Dir: testbed.Dir(t), Args: []string{
		"create", "secret", "docker-registry", "registry", "--namespace", "prod", "--dry-run=client", "-o", `go-template={{index .data ".dockerconfigjson" | base64decode}}`,
		"--docker-server=" + s.gate.Host, "--docker-username=dev", "--docker-password=" + secret,
	}})
	home := testbed.Dir(t)
	must(t, os.MkdirAll(filepath.Join(home, "docker"), 0o700))
	save(t, filepath.Join(home, "docker", "config.json"), made)
	crane, err := client.New("crane", client.Env{Home: home, Host: s.gate.Host, CA: s.gate.CA.File})
	must(t, err)
	if _, err := crane.Pull("team/app:x"); err != nil {
		t.Errorf("pull: %v", err)
	}
	if _, err := crane.Push("team/app", "y"); err == nil {
		t.Error("a robot that may pull has pushed")
	}
}

// seedAs pushes an image as somebody with this token.
func (s *site) seedAs(t *testing.T, token, repo string) (digest string) {
	t.Helper()
	crane := s.client(t, "crane")
	must(t, crane.Login("k8s", token))
	digest, err := crane.Push(repo, version)
	must(t, err)
	return digest
}

// askedByKubelet has the program of the page say which password goes with a
// token of a service account.
func (s *site) askedByKubelet(t *testing.T, token string) string {
	t.Helper()
	program := filepath.Join(testbed.Dir(t), "registry-token")
	must(t, os.WriteFile(program, []byte(examples(t, "kubernetes-logins.md", "sh")[0]), 0o600))
	asked := fmt.Sprintf(`{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"%s/prod/app:1","serviceAccountToken":%q}`, s.gate.Host, token)
	out := testbed.Run(t, testbed.Command{Program: "sh", Args: []string{program}, Dir: testbed.Dir(t), Stdin: asked})
	answer := regexp.MustCompile(`(?s)"` + regexp.QuoteMeta(s.gate.Host) + `": \{\s*"username": "k8s",\s*"password": "([^"]+)"`).FindStringSubmatch(out)
	if answer == nil {
		t.Fatalf("the program says %s", strings.ReplaceAll(out, token, "TOKEN"))
	}
	return answer[1]
}
