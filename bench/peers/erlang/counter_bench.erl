%% Ten thousand gen_servers that count, and callers that keep as many calls open as they are told.
%% The load generator is written in Erlang, too: nothing else can call an Erlang process as its peers do.
-module(counter_bench).
-behaviour(gen_server).
-export([main/0, serve/0, start_counters/1, init/1, handle_call/3, handle_cast/2]).

init(Total) -> {ok, Total}.
handle_call({add, By}, _From, Total) -> {reply, Total + By, Total + By}.
handle_cast(_, Total) -> {noreply, Total}.

start_counters(Count) ->
    list_to_tuple([begin {ok, Pid} = gen_server:start(?MODULE, 0, []), Pid end || _ <- lists:seq(1, Count)]).

%% A node that only holds counters, until it is ended.
serve() -> receive stop -> ok end.

%% Arguments: the node whose counters are called (or "local"), milliseconds of a load, and how many callers.
main() ->
    [Where, Ms, Count | InFlights] = init:get_plain_arguments(),
    Counters = case Where of
        "local" -> start_counters(list_to_integer(Count));
        Node -> erpc:call(list_to_atom(Node), ?MODULE, start_counters, [list_to_integer(Count)])
    end,
    lists:foreach(fun(InFlight) -> report(InFlight, Counters, list_to_integer(Ms)) end,
                  [list_to_integer(N) || N <- InFlights]),
    halt(0).

report(InFlight, Counters, Ms) ->
    _ = load(InFlight, Counters, Ms div 3),
    {Calls, Took, Samples} = load(InFlight, Counters, Ms),
    Sorted = list_to_tuple(lists:sort(Samples)),
    At = fun(Share) -> element(max(1, ceil(Share * tuple_size(Sorted))), Sorted) / 1000000 end,
    io:format("{\"inFlight\":~b,\"perSecond\":~.1f,\"p50Ms\":~.6f,\"p99Ms\":~.6f}~n",
              [InFlight, Calls * 1000000000 / Took, At(0.5), At(0.99)]).

load(InFlight, Counters, Ms) ->
    Begin = erlang:monotonic_time(nanosecond),
    End = Begin + Ms * 1000000,
    Self = self(),
    Callers = [spawn_link(fun() -> Self ! {self(), call(Counters, tuple_size(Counters), N * 7919, End, 0, [])} end)
               || N <- lists:seq(1, InFlight)],
    Results = [receive {Caller, Result} -> Result end || Caller <- Callers],
    Took = erlang:monotonic_time(nanosecond) - Begin,
    {lists:sum([Calls || {Calls, _} <- Results]), Took, lists:append([Samples || {_, Samples} <- Results])}.

%% Every sixteenth call is timed.
call(Counters, Size, N, End, Calls, Samples) when Calls rem 16 =:= 0 ->
    Start = erlang:monotonic_time(nanosecond),
    case Start >= End of
        true -> {Calls, Samples};
        false ->
            gen_server:call(element(1 + N rem Size, Counters), {add, 1}),
            Took = erlang:monotonic_time(nanosecond) - Start,
            call(Counters, Size, N + 7919, End, Calls + 1, [Took | Samples])
    end;
call(Counters, Size, N, End, Calls, Samples) ->
    gen_server:call(element(1 + N rem Size, Counters), {add, 1}),
    call(Counters, Size, N + 7919, End, Calls + 1, Samples).
