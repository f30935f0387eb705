package acme

import "github.com/regate/regate/internal/problem"

// Check reads the files that cfg names, which must be valid, and says what is
// wrong with them, with paths relative to cfg. It changes nothing.
func Check(cfg Config) error {
	var l problem.List
	_, err := cfg.ClientCAs()
	l.Under("", err)
	l.Under("", checkSource(cfg.withDefaults()))
	return l.Err()
}

// checkSource reads what the mode needs.
func checkSource(cfg Config) error {
	switch {
	case cfg.Mode == ModeFiles:
		_, err := readFiles(cfg)
		return err
	case cfg.Mode == ModeInternal && cfg.Internal.CACert != "":
		ca, err := readAuthority(cfg.Internal.CACert, cfg.Internal.CAKey)
		if err != nil {
			var l problem.List
			l.Under("internal", err)
			return l.Err()
		}
		return ca.permitsAll(cfg.Hosts)
	case cfg.Mode == ModeACME:
		return checkACME(cfg.ACME)
	}
	return nil
}

func checkACME(cfg ACME) error {
	var l problem.List
	_, err := readAuthorities(cfg)
	l.Under("acme", err)
	if cfg.DNS != nil {
		_, err := newDNSSolver(*cfg.DNS, nil)
		l.Under("acme.dns", err)
	}
	return l.Err()
}
