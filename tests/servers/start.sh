# Starts real model servers; sourced by the scripts beside it. $servers: where `install` put them; $logs: where their logs go.

pids=()
stop() {
    if [ ${#pids[@]} -gt 0 ]; then kill -- "${pids[@]/#/-}" 2>/dev/null || true; fi
}
trap stop EXIT
trap 'exit 130' INT TERM

# Would we be talking to somebody else's server?
free() {
    if (echo >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
        echo "port $1 is taken" >&2
        return 1
    fi
}

# start NAME COMMAND…: in a process group of its own
start() {
    local name=$1
    shift
    setsid "$@" >"$logs/$name.log" 2>&1 </dev/null &
    pids+=("$!")
    declare -g "pid_${name//-/_}=$!"
}

# ready NAME PORT: waits until it says that it is healthy
ready() {
    local pid="pid_${1//-/_}"
    for _ in $(seq 1200); do
        if curl -sf -o /dev/null "http://127.0.0.1:$2/health"; then
            echo "$1 is up on port $2"
            return
        fi
        if ! kill -0 "${!pid}" 2>/dev/null; then break; fi
        sleep 0.5
    done
    echo "$1 did not start:" >&2
    tail -25 "$logs/$1.log" >&2
    return 1
}

# start_vllm NAME PORT CHECKPOINT [FLAGS…]; single precision, as the embedded engine computes
start_vllm() {
    local name=$1 port=$2 checkpoint=$3
    shift 3
    free "$port"
    start "$name" env VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind OMP_NUM_THREADS=1 VLLM_NO_USAGE_STATS=1 \
        HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 "$servers/vllm/bin/vllm" serve "$checkpoint" --host 127.0.0.1 --port "$port" \
        --served-model-name "$name" --dtype float32 --max-model-len 512 --enforce-eager "$@"
}

# start_llama NAME PORT CHECKPOINT [FLAGS…]
start_llama() {
    local name=$1 port=$2 checkpoint=$3
    shift 3
    free "$port"
    local gguf=$logs/$(basename "$checkpoint").gguf
    "$servers/vllm/bin/python" "$(dirname "${BASH_SOURCE[0]}")/to_gguf.py" "$servers/llama/source" "$checkpoint" "$gguf" \
        >"$logs/gguf.log" 2>&1
    start "$name" "$servers/llama/llama-server" -m "$gguf" --host 127.0.0.1 --port "$port" --alias "$name" \
        -np 16 -c 8192 -t 1 --metrics --slots "$@"
}
