package acl

import "testing"

func TestInOrder(t *testing.T) {
	numbered := func(seq ...int64) (all []Numbered) {
		for _, n := range seq {
			all = append(all, Numbered{n, Rule{Comment: string(rune('a' + n))}})
		}
		return all
	}
	for _, tt := range []struct {
		seq  []int64
		want string // comments, or the error
	}{
		{nil, ""},
		{[]int64{2, 0, 1}, "abc"},
		{[]int64{1, 0, 1}, "there are two rules with seq 1, so it is not known which comes first: give each its own"},
	} {
		rules, err := InOrder(numbered(tt.seq...))
		got := ""
		for _, r := range rules {
			got += r.Comment
		}
		if err != nil {
			got += err.Error()
		}
		if got != tt.want || err == nil && rules == nil {
			t.Errorf("InOrder(%v) = %q, want %q", tt.seq, got, tt.want)
		}
	}
}
