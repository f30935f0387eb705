package gate

import (
	"github.com/regate/regate/authsvc/authn/workload"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/problem"
)

// openWorkloads makes what knows the accounts of CI jobs and pods. Issuers that
// are as before keep the keys that were asked for: one may be down now.
func (p *process) openWorkloads(file *configs.File) (*workload.Users, error) {
	users, err := workload.New(file.Auth.JWTAuth, p.opts.Now, p.log)
	if err != nil {
		return nil, file.Explain("auth.jwt_auth", err)
	}
	if live := p.board.live.Load(); live != nil {
		was, is := live.file.Seen(), file.Seen()
		users.Inherit(live.workloads, func(path string) bool { return was[path] == is[path] })
	}
	return users, nil
}

func checkWorkloads(file *configs.File, l *problem.List) {
	_, err := workload.New(file.Auth.JWTAuth, nil, nil)
	l.Under("auth.jwt_auth", err)
}
