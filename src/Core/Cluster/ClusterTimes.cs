using System.Globalization;
using System.Reflection;
using System.Text;

namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// Every time-out, retry and patience of clients, silos and grains. None of them touches a bit of a result. Each may be set by an
/// environment
/// variable: <c>PEFT_TIME_LOCAL_START=1200</c> (seconds) for <see cref="LocalStart"/>; silos that a client starts inherit its own.
/// </summary>
/// <remarks>To add one: a property with its default and <see cref="WaitAttribute"/>, and its row in docs/reliability.md, which a test
/// compares.</remarks>
public sealed record ClusterTimes
{
    private const string Prefix = "PEFT_TIME_";

    private static readonly Lazy<ClusterTimes> OfProcess = new(static () => Read(Environment.GetEnvironmentVariable));

    private static readonly PropertyInfo[] Properties =
        [.. typeof(ClusterTimes).GetProperties().Where(static property => property.IsDefined(typeof(WaitAttribute)))];

    /// <summary>The values of this process: defaults, with what the environment says laid over them.</summary>
    /// <exception cref="PeftException">A variable is no number, or out of bounds.</exception>
    public static ClusterTimes Current => OfProcess.Value;

    /// <summary>All silos of a local start: until each has joined.</summary>
    [Wait(1, 3600, "a local start: until every silo has started, answers and has joined; what is waited for is said, "
        + "then the start fails and names the logs")]
    public TimeSpan LocalStart { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Time after which a person is told what is being waited for, and again whenever that changes.</summary>
    [Wait(0, 60, "a start or a connection: then it is said what is being waited for")]
    public TimeSpan Word { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Silence of a cluster after which its client gives up.</summary>
    [Wait(1, 3600, "a client whose cluster does not answer at all: then it ends with code 5; the run goes on if the cluster does")]
    public TimeSpan Silence { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>A question of a client, after which it looks for another gateway.</summary>
    [Wait(0.5, 60, "a client's question: then it asks through another gateway")]
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A call of a client, after which it counts as lost and is repeated.</summary>
    [Wait(1, 600, "a client's call: then it counts as lost, and is made again")]
    public TimeSpan Call { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Silos whose standard input was closed, before SIGTERM.</summary>
    [Wait(0, 3600, "silos of a client that ends, to end by themselves: then SIGTERM")]
    public TimeSpan SiloEnd { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Silos that were sent SIGTERM, before SIGKILL.</summary>
    [Wait(0, 3600, "silos that were sent SIGTERM: then SIGKILL")]
    public TimeSpan SiloTerminated { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Runs of a silo whose client is gone.</summary>
    [Wait(1, 86_400, "runs of a silo whose client is gone, to finish step and snapshot: then it ends without")]
    public TimeSpan OrderlyEnd { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Runs of a silo that was told to leave.</summary>
    [Wait(0, 3600, "the runs of a silo that is told to leave (SIGTERM), to go on without it: then it leaves all the same")]
    public TimeSpan Leave { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>What a silo that leaves has open.</summary>
    [Wait(1, 3600, "what a silo that leaves has open, to end: then it ends without")]
    public TimeSpan Shutdown { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>One piece of work on the device.</summary>
    [Wait(60, 86_400, "one piece of work on the device: then the silo no longer says that it lives")]
    public TimeSpan DeviceWork { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>A run that a silo has joined, to begin.</summary>
    [Wait(1, 3600, "a run that is being resumed, to begin: then a silo that joined it by hand takes it for ended, and ends")]
    public TimeSpan JoinedRun { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A silo's turn to join.</summary>
    [Wait(0, 600, "a silo's turn to join, while another holds it: then it joins without")]
    public TimeSpan JoinTurn { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A probe of the membership, once a second.</summary>
    [Wait(0.5, 60, "a membership probe (one a second): it counts as missed; a silo that several see miss is dead")]
    public TimeSpan Probe { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Missed probes in a row after which a silo is suspected.</summary>
    [Wait(1, 100, "probes missed in a row until a silo is suspected")]
    public int ProbesMissed { get; init; } = 2;

    /// <summary>Time between two readings of the membership.</summary>
    [Wait(1, 600, "between two readings of the membership: a silo evicted across a cut learns of it, and ends")]
    public TimeSpan MembershipRefresh { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A connection attempt; a lost first packet is sent again after one second.</summary>
    [Wait(1.5, 60, "a connection attempt to a data plane or a gateway: then it counts as unreachable, "
        + "and the coordinator asks everyone (twice as long)")]
    public TimeSpan Connection { get; init; } = TimeSpan.FromSeconds(2.5);

    /// <summary>Exchange of certificates on a new connection.</summary>
    [Wait(1, 600, "the exchange of certificates on a new connection: then it is closed")]
    public TimeSpan Handshake { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A fence, on a silo that membership calls alive.</summary>
    [Wait(1, 600, "a silo's answer to a fence: then the attempt ends, and is made again")]
    public TimeSpan Fence { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A silo that could not be welcomed.</summary>
    [Wait(0.1, 600, "before a silo that could not be taken in is asked again")]
    public TimeSpan WelcomeAgain { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>An ended run's figures on /metrics.</summary>
    [Wait(0, 3600, "before an ended run's figures leave `/metrics`")]
    public TimeSpan FiguresKept { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A full disk.</summary>
    [Wait(0.1, 600, "before a full disk is tried again")]
    public TimeSpan DiskFull { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A reminder of a run under way.</summary>
    [Wait(1, 3600, "between two reminders of a run under way, which wake its coordinator where all silos died and some are back")]
    public TimeSpan Wake { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The first pause before something is tried again; each is twice the one before.</summary>
    [Wait(0.01, 60, "first pause before something is tried again; each is twice the one before")]
    public TimeSpan RetryFirst { get; init; } = TimeSpan.FromSeconds(0.2);

    /// <summary>The longest pause between attempts.</summary>
    [Wait(0.1, 600, "longest pause between attempts")]
    public TimeSpan RetryLongest { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Attempts without progress after which a run fails.</summary>
    [Wait(1, 1000, "repeats of a term that made no progress: then the run fails, and can be resumed")]
    public int Retries { get; init; } = 5;

    /// <summary>Attempts to reach a grain on a silo that is shutting down.</summary>
    [Wait(1, 1000, "attempts to reach a grain whose silo is shutting down")]
    public int ReachRetries { get; init; } = 30;

    /// <summary>The rows of the table in docs/reliability.md: name, default, bounds, meaning.</summary>
    public static IEnumerable<(string Name, string Default, string Bounds, string Meaning)> Table()
    {
        foreach (var property in Properties)
        {
            var wait = property.GetCustomAttribute<WaitAttribute>()!;
            var unit = property.PropertyType == typeof(TimeSpan) ? " s" : "";
            var value = Text(Number(property.GetValue(new ClusterTimes())!)) + unit;
            yield return (property.Name, value, $"{Text(wait.Least)} to {Text(wait.Most)}{unit}", wait.Meaning);
        }
    }

    /// <summary>Defaults, with what some variables say laid over them.</summary>
    /// <exception cref="PeftException">A variable is no number, or out of bounds.</exception>
    public static ClusterTimes Read(Func<string, string?> variable)
    {
        var times = new ClusterTimes();
        foreach (var property in Properties)
        {
            var name = VariableOf(property.Name);
            if (variable(name) is not { Length: > 0 } text) continue;
            var wait = property.GetCustomAttribute<WaitAttribute>()!;
            var whole = property.PropertyType == typeof(int);
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                || !(number >= wait.Least && number <= wait.Most) || (whole && number != Math.Floor(number)))
            {
                throw new PeftException(
                    $"{name}={text}: expected {(whole ? "an integer" : "seconds")} from {Text(wait.Least)} to {Text(wait.Most)}; "
                    + $"leave it out for {Text(Number(property.GetValue(times)!))} ({wait.Meaning})");
            }

            property.SetValue(times, whole ? (int)number : TimeSpan.FromSeconds(number));
        }

        return times;
    }

    /// <summary><c>LocalStart</c> → <c>PEFT_TIME_LOCAL_START</c>.</summary>
    private static string VariableOf(string property)
    {
        var name = new StringBuilder(Prefix);
        foreach (var letter in property)
        {
            if (char.IsUpper(letter) && name.Length > Prefix.Length) name.Append('_');
            name.Append(char.ToUpperInvariant(letter));
        }

        return name.ToString();
    }

    private static double Number(object value) => value is TimeSpan span ? span.TotalSeconds : (int)value;

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
}
