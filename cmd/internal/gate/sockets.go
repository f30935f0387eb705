package gate

import (
	"fmt"
	"maps"
	"net"
	"slices"

	"go.uber.org/zap"

	"github.com/regate/regate/configs"
)

// checkSockets finds sockets that were opened for the gate and that it would
// not serve: whoever connects to one would wait for ever.
func (p *process) checkSockets(cfg configs.Listen) error {
	served := map[string]string{"https": cfg.HTTPS, "http": cfg.HTTP, "admin": cfg.Admin}
	for _, name := range slices.Sorted(maps.Keys(p.opts.Sockets)) {
		addr, known := served[name]
		switch _, tcp := p.opts.Sockets[name].Addr().(*net.TCPAddr); {
		case !known:
			return fmt.Errorf("socket %q: its name must be https, http or admin (FileDescriptorName= in the socket unit)", name)
		case addr == "":
			return fmt.Errorf("socket %q: listen.%s is turned off; disable the socket unit, or give the address of it", name, name)
		case !tcp:
			return fmt.Errorf("socket %q: listens on no TCP port", name)
		}
	}
	return nil
}

// openSocket takes the socket that was opened for the gate, or opens one. What
// was opened for it is where it is, whatever addr says.
func (p *process) openSocket(name, addr string) (net.Listener, error) {
	l := p.opts.Sockets[name]
	if l == nil {
		return net.Listen("tcp", addr)
	}
	if wanted, err := net.ResolveTCPAddr("tcp", addr); err != nil || wanted.Port != 0 && wanted.Port != l.Addr().(*net.TCPAddr).Port {
		p.log.Warn("the socket that was opened for the gate has another port than the configuration",
			zap.String("on", name), zap.String("address", l.Addr().String()), zap.String("configured", addr))
	}
	return l, nil
}
