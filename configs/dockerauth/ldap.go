package dockerauth

// writeLDAP reports whether a directory knows accounts.
func (c *converter) writeLDAP(*page) bool {
	if e, ok := c.root.find("ldap_auth"); ok {
		c.report.add(e.line, Missing, "ldap_auth", "is left out")
	}
	return false
}
