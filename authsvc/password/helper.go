package password

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// helperVar makes a program a helper. That it is the whole environment of one
// keeps what the gate was started with away from it.
const helperVar = "REGATE_COMPARES_PASSWORDS"

// helperName is the whole command line of a helper, for those who list processes.
const helperName = "regate: compares passwords"

// helperNice is how much a helper steps back: where the cores are busy, those
// who pull get ten times as much of one, and those who log in still their turn.
const helperNice = 10

// IsHelper reports whether a Pool has started this process to compare
// passwords for it. A program that has a Pool with Options.Apart asks this
// before anything else, and calls Help if it is so.
//
// The variable alone does not make it one: where it came into the environment
// of a gate, the gate would end at once, and have done well.
func IsHelper() bool {
	return os.Getenv(helperVar) != "" && len(os.Args) == 1 && os.Args[0] == helperName && isPipe(os.Stdin) && isPipe(os.Stdout)
}

func isPipe(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// Help answers the questions of the Pool that has started this process, and
// returns the exit code when there will be no more: at once if the Pool is
// closed, or its process dead, and a comparison still runs.
func Help() int {
	// What ends or reloads the gate may be sent to all processes of its name.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	// The group, which is this process alone: all threads that are there, and
	// those they will start.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, 0, helperNice)
	_ = os.WriteFile("/proc/self/comm", []byte("regate-password"), 0) // or it were "exe"
	return help(os.Stdin, os.Stdout)
}

func help(in io.Reader, out io.Writer) int {
	questions := make(chan question)
	defer close(questions)
	go work(questions, out)
	for {
		q, err := readQuestion(in)
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			return 1
		}
		questions <- q
	}
}

// work ends with the questions, but for the one it is at, which ends with the
// process.
func work(questions <-chan question, out io.Writer) {
	say := func(a answer) { _, _ = out.Write([]byte{byte(a)}) } // whoever does not hear it is gone
	say(ready)
	for q := range questions {
		say(q.answer())
		clear(q.password)
	}
}
