package edge

import "fmt"

// panicked is the error of a request whose handler panicked.
type panicked struct{ value any }

func (p panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }
