package problem

import "strings"

// Nearest returns the known word that differs least from the one that is written,
// for messages to ask whether it was meant. If all differ in more than a third of
// it, it is the one that the word is the beginning of, and "" if there is none,
// or more than one.
func Nearest(word string, known []string) string {
	const longest = 64
	if len(word) > longest {
		return ""
	}
	meant := spelling(word)
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		near := spelling(k)
		if len(near) >= len(meant)+least || len(meant) >= len(near)+least {
			continue // as many letters are more or less
		}
		if d := distance(meant, near); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return begunBy(word, known)
	}
	return best
}

// begunBy returns ca_certificate for ca_cert.
func begunBy(word string, known []string) (only string) {
	const shortest = 4
	for _, k := range known {
		switch {
		case len(word) < shortest || !strings.HasPrefix(spelling(k), spelling(word)):
		case only != "":
			return ""
		default:
			only = k
		}
	}
	return only
}

// spelling makes TrustedProxies, trusted-proxies and trusted_proxies one.
func spelling(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(key), "_", ""), "-", "")
}

// distance is the number of letters to insert, remove, change or swap with the
// next one to make b of a (optimal string alignment).
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
