// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"log"
	"os"
)

// A line of the form that bench/report.lua reads.
func sample(what string, value float64) {
	fmt.Printf("go\t%s\t%.6g\n", what, value)
}

var modes = map[string]func(args []string) error{"adds": adds, "stored": stored, "frozen": frozen, "tracker": track}

func main() {
	mode, known := modes[append(os.Args, "")[1]]
	if !known {
		log.Fatal("usage: reference adds | stored PLACE CONNINFO COUNT | frozen CONNINFO | tracker")
	}
	if err := mode(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}
