package casbin

import "github.com/regate/regate/internal/problem"

// Config is casbin_authz. Its keys are docker_auth's, with the same meaning.
type Config struct {
	// ModelPath is the file with Casbin's model, whose requests are
	// account, type, name, service, ip, action, labels. Required; it is read
	// again when it changes.
	ModelPath string `yaml:"model_path" file:"yes"`
	// PolicyPath is the file with the policy: lines of comma-separated values.
	// Required; it is read again when it changes.
	PolicyPath string `yaml:"policy_path" file:"yes"`
}

// Validate reports all mistakes. It opens nothing.
func (c Config) Validate() error {
	var l problem.List
	if c.ModelPath == "" {
		l.Addf("model_path", "is missing; it is a file with a model of Casbin")
	}
	if c.PolicyPath == "" {
		l.Addf("policy_path", "is missing; it is a file with the lines of a policy")
	}
	return l.Err()
}
