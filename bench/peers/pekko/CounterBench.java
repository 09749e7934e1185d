/**
 * Ten thousand event-sourced counters in Pekko: cluster sharding on one node, persistence on its LevelDB journal, asked by
 * as many callers as it is told. The load generator is written in Java: nothing else can ask an entity as its peers do.
 *
 * Arguments: data directory, port, milliseconds of a load, how many counters, then how many callers.
 */
import com.typesafe.config.ConfigFactory;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.pekko.actor.typed.*;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.sharding.typed.javadsl.*;
import org.apache.pekko.cluster.typed.*;
import org.apache.pekko.persistence.typed.PersistenceId;
import org.apache.pekko.persistence.typed.javadsl.*;

public class CounterBench {
  public static class Add implements java.io.Serializable {
    final long by;
    final transient ActorRef<Long> replyTo;
    Add(long by, ActorRef<Long> replyTo) { this.by = by; this.replyTo = replyTo; }
  }

  public static class Added implements java.io.Serializable {
    final long by;
    final String note = "an event of a usual size carries about a hundred bytes of data with it…";
    Added(long by) { this.by = by; }
  }

  static class Counter extends EventSourcedBehavior<Add, Added, Long> {
    Counter(String id) { super(PersistenceId.of("Counter", id)); }
    @Override public Long emptyState() { return 0L; }
    @Override public CommandHandler<Add, Added, Long> commandHandler() {
      return newCommandHandlerBuilder().forAnyState().onCommand(Add.class, (state, add) ->
        Effect().persist(new Added(add.by)).thenRun((Long total) -> add.replyTo.tell(total))).build();
    }
    @Override public EventHandler<Long, Added> eventHandler() {
      return newEventHandlerBuilder().forAnyState().onEvent(Added.class, (total, event) -> total + event.by).build();
    }
  }

  public static void main(String[] args) throws Exception {
    String data = args[0];
    var config = ConfigFactory.parseString(String.join("\n",
      "pekko.loglevel = ERROR", "pekko.stdout-loglevel = ERROR", "pekko.actor.provider = cluster",
      "pekko.actor.allow-java-serialization = on", "pekko.actor.warn-about-java-serializer-usage = off",
      "pekko.remote.artery.canonical.hostname = 127.0.0.1", "pekko.remote.artery.canonical.port = " + args[1],
      "pekko.cluster.jmx.enabled = off", "pekko.cluster.sharding.remember-entities = off",
      "pekko.cluster.sharding.passivation.strategy = none", "pekko.coordinated-shutdown.exit-jvm = off",
      "pekko.persistence.journal.plugin = pekko.persistence.journal.leveldb",
      "pekko.persistence.journal.leveldb { native = on, fsync = on, dir = \"" + data + "/journal\" }"
    )).withFallback(ConfigFactory.load());
    ActorSystem<Void> system = ActorSystem.create(Behaviors.empty(), "bench", config);
    Cluster cluster = Cluster.get(system);
    cluster.manager().tell(Join.create(cluster.selfMember().address()));
    var key = EntityTypeKey.create(Add.class, "Counter");
    ClusterSharding sharding = ClusterSharding.get(system);
    sharding.init(Entity.of(key, context -> new Counter(context.getEntityId())));
    int count = Integer.parseInt(args[3]);
    List<EntityRef<Add>> counters = new ArrayList<>();
    for (int n = 0; n < count; n++) counters.add(sharding.entityRefFor(key, "c" + n));
    // Every entity wakes once before anything is measured.
    ask(counters.get(0)).toCompletableFuture().get(30, TimeUnit.SECONDS);
    for (int n = 0; n < count; n += 250) {
      var woken = new ArrayList<CompletableFuture<Long>>();
      for (var counter : counters.subList(n, Math.min(count, n + 250))) woken.add(ask(counter).toCompletableFuture());
      for (var one : woken) one.get(30, TimeUnit.SECONDS);
    }
    long ms = Long.parseLong(args[2]);
    for (int n = 4; n < args.length; n++) {
      int callers = Integer.parseInt(args[n]);
      load(counters, callers, ms / 3);
      load(counters, callers, ms).print(callers);
    }
    system.terminate();
    Runtime.getRuntime().halt(0);
  }

  static CompletionStage<Long> ask(EntityRef<Add> counter) {
    return counter.ask((ActorRef<Long> replyTo) -> new Add(1, replyTo), Duration.ofSeconds(20));
  }

  record Result(long done, long tookNs, long[] sorted) {
    void print(int callers) {
      System.out.printf(Locale.ROOT, "{\"inFlight\":%d,\"perSecond\":%.1f,\"p50Ms\":%.6f,\"p99Ms\":%.6f}%n", callers,
        done * 1e9 / tookNs, at(0.5), at(0.99));
    }
    double at(double share) {
      return sorted.length == 0 ? 0 : sorted[Math.max(0, (int) Math.ceil(share * sorted.length) - 1)] / 1e6;
    }
  }

  static Result load(List<EntityRef<Add>> counters, int callers, long ms) throws Exception {
    long begin = System.nanoTime();
    long end = begin + ms * 1_000_000;
    AtomicInteger next = new AtomicInteger();
    ConcurrentLinkedQueue<Long> took = new ConcurrentLinkedQueue<>();
    CountDownLatch open = new CountDownLatch(callers);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    for (int n = 0; n < callers; n++) call(counters, next, end, took, open, failure);
    if (!open.await(ms + 30_000, TimeUnit.MILLISECONDS)) throw new IllegalStateException("callers still wait");
    if (failure.get() != null) throw new IllegalStateException(failure.get());
    return new Result(took.size(), System.nanoTime() - begin, took.stream().mapToLong(Long::longValue).sorted().toArray());
  }

  static void call(List<EntityRef<Add>> counters, AtomicInteger next, long end, Queue<Long> took, CountDownLatch open,
      AtomicReference<Throwable> failure) {
    long start = System.nanoTime();
    if (start >= end) { open.countDown(); return; }
    int key = (int) (next.getAndIncrement() * 7919L % counters.size());
    ask(counters.get(key)).whenComplete((total, error) -> {
      if (error != null) { failure.compareAndSet(null, error); open.countDown(); return; }
      took.add(System.nanoTime() - start);
      call(counters, next, end, took, open, failure);
    });
  }
}
