package main

import (
	"encoding/json"
	"os"
)

func main() {
	var request struct {
		Action string `json:"action"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		println(err.Error())
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"ok": request.Action == "go"})
}
