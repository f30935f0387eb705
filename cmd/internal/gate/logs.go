package gate

import (
	"os"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"
)

// newLog makes the one logger of the process, which writes to w: JSON for
// machines, columns for a terminal. level changes with the configuration.
func newLog(format string, w *os.File) (log *zap.Logger, level zap.AtomicLevel) {
	level = zap.NewAtomicLevel()
	if format == "auto" {
		format = "json"
		if term.IsTerminal(int(w.Fd())) {
			format = "console"
		}
	}
	core := zapcore.NewCore(encoder(format), zapcore.Lock(w), level)
	return zap.New(core), level
}

func encoder(format string) zapcore.Encoder {
	cfg := zap.NewProductionEncoderConfig()
	cfg.TimeKey, cfg.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	cfg.EncodeDuration = milliseconds
	if format == "json" {
		return zapcore.NewJSONEncoder(cfg)
	}
	cfg.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02 15:04:05.000")
	cfg.EncodeLevel = zapcore.CapitalColorLevelEncoder
	cfg.EncodeDuration = zapcore.StringDurationEncoder
	cfg.ConsoleSeparator = "  "
	return zapcore.NewConsoleEncoder(cfg)
}

// milliseconds with three decimals: what dashboards plot.
func milliseconds(d time.Duration, enc zapcore.PrimitiveArrayEncoder) {
	enc.AppendFloat64(float64(d.Microseconds()) / 1000)
}

// setLevel takes a level that configs has checked.
func setLevel(level zap.AtomicLevel, text string) {
	if parsed, err := zapcore.ParseLevel(text); err == nil {
		level.SetLevel(parsed)
	}
}

// serverLog takes what http.Server writes. Handshakes that fail are the
// internet's noise; that no connection can be accepted is for the operator.
type serverLog struct{ log *zap.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.HasPrefix(text, "http: Accept error") {
		l.log.Error("connections cannot be accepted", zap.String("error", text))
	} else {
		l.log.Debug("server", zap.String("error", text))
	}
	return len(line), nil
}
