#!/usr/bin/env bash
# No false alarms: a run on three busy silos, with fewer processors than compute threads, that nothing happens to. Ends with 0 only where no silo was
# lost, no term ended and nothing was made again.
#   tests/soak/undisturbed.sh [STEPS] [FOLDER]        4,000 steps are about half an hour on two processors
set -euo pipefail
cd "$(dirname "$0")/../.."
steps="${1:-4000}"
folder="$(mkdir -p "${2:-runs/soak}" && cd "${2:-runs/soak}" && pwd)"
cat > "$folder/undisturbed.yaml" <<YAML
name: undisturbed
seed: 3
model: { path: $PWD/examples/tiny-llama }
data:
  train: { path: $PWD/examples/problems/train.jsonl, format: completion }
  max_length: 160
method: { name: hybrid, lora: { rank: 8, alpha: 16 }, lora_ga: { gradient_samples: 4 } }
training: { steps: $steps, global_batch: 40, microbatch: 8, optimizer: { name: adamw, learning_rate: 1.0e-4 } }
snapshots: { every: 100 }
compute: { threads_per_silo: 1 }
output: $folder
YAML
id="undisturbed-$(date +%Y%m%d-%H%M%S)"
start=$SECONDS
dotnet run -c Release --project src/Client -- start-run -f "$folder/undisturbed.yaml" --local 3 --run-id "$id" -o json | tee "$folder/$id.json"
minutes=$(( (SECONDS - start) / 60 ))
recoveries="$(sed -n 's/.*"recoveries":\([0-9]*\).*/\1/p' "$folder/$id.json" | tail -1)"
terms="$(grep -c '"event":"term"' "$folder/$id/events.jsonl")"
echo "$minutes minutes, $recoveries recoveries, $terms term(s)"
[ "$recoveries" = 0 ] && [ "$terms" = 1 ]
