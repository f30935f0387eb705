package trust

func debian(h Host, anchors Bundle) Client {
	return Client{
		Name: "debian", Title: "the system's store of Debian, Ubuntu and Alpine: curl, crane, helm, cosign and all others",
		Files:   storeFiles("/usr/local/share/ca-certificates/", h, anchors),
		Then:    []string{"Restart services that run already."},
		Refresh: []string{"update-ca-certificates"},
		signs:   programs("update-ca-certificates"),
	}
}

func rhel(h Host, anchors Bundle) Client {
	return Client{
		Name: "rhel", Title: "the system's store of RHEL, Fedora and their kin: curl, crane, helm, cosign and all others",
		Files:   storeFiles("/etc/pki/ca-trust/source/anchors/", h, anchors),
		Then:    []string{"Restart services that run already."},
		Refresh: []string{"update-ca-trust"},
		signs:   programs("update-ca-trust"),
	}
}

// storeFiles has one certificate in each file, since update-ca-certificates(8)
// skips a file with several, and a name of its own for each, so that the next
// CA of a gate finds its place free.
func storeFiles(dir string, h Host, anchors Bundle) []File {
	var files []File
	for _, c := range anchors {
		id := Fingerprint(c)[len("sha256:"):][:8]
		files = append(files, File{
			Path:    dir + "regate-" + h.file() + "-" + id + ".crt",
			Content: string(Bundle{c}.PEM()),
		})
	}
	return files
}

func macos() Client {
	return Client{
		Name: "macos", Title: "Docker Desktop on macOS",
		Then: []string{
			"Save the certificate as ca.crt, then, for the whole Mac:\n  sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ca.crt",
			"Restart Docker Desktop.",
		},
		Untested: true,
	}
}

func windows() Client {
	return Client{
		Name: "windows", Title: "Docker Desktop on Windows",
		Then: []string{
			"Save the certificate as ca.crt, then, in a PowerShell of an administrator, for the whole machine:\n  Import-Certificate -FilePath ca.crt -CertStoreLocation Cert:\\LocalMachine\\Root",
			"Restart Docker Desktop.",
		},
		Untested: true,
	}
}
