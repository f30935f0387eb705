package metrics

// A Fleet is what a gate knows of those that share its state.
type Fleet struct {
	Config       string // SHA-256 of the configuration in use
	Gates        int    // this one included
	OtherConfig  int
	OtherVersion int
	OtherRoot    int  // whose tokens this gate refuses
	StateLost    bool // what they share cannot be asked
}

// ShowFleet asks now at each scrape.
func (m *Metrics) ShowFleet(now func() Fleet) {
	m.register(states{
		desc: desc("config_info", "Always 1: the configuration in use, by the SHA-256 of its file.", "sha256"),
		list: func(emit emitter) { emit(1, now().Config) },
	})
	m.register(states{
		desc: desc("state_up", "Whether the state that gates share answers and does what it is asked, as far as is known; 1 for a gate that is alone."),
		list: func(emit emitter) { emit(number(!now().StateLost)) },
	})
	m.register(states{
		desc: desc("fleet_gates", "Gates that share the state and were seen in the last minute, this one included."),
		list: func(emit emitter) { emit(float64(now().Gates)) },
	})
	m.register(states{
		desc: desc("fleet_gates_differing", "Gates that share the state and differ from this one, by what differs.", "what"),
		list: func(emit emitter) {
			f := now()
			emit(float64(f.OtherConfig), "config")
			emit(float64(f.OtherVersion), "version")
			emit(float64(f.OtherRoot), "token_root")
		},
	})
}
