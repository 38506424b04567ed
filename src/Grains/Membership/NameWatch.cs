using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace Peft.Orleans.Grains.Membership;

/// <summary>
/// Ends this silo when another life of its name has joined: a pod that was started again elsewhere while this machine could not be reached.
/// Where silos
/// share a folder that can be locked, a living silo's name is not given a second time at all.
/// </summary>
internal sealed partial class NameWatch(
    IClusterMembershipService membership,
    ILocalSiloDetails self,
    IHostApplicationLifetime host,
    ILogger<NameWatch> log) : ILifecycleParticipant<ISiloLifecycle>
{
    private readonly CancellationTokenSource stopping = new();

    /// <summary>Where the silo is that has taken this one's name; null: nowhere.</summary>
    public string? Successor { get; private set; }

    /// <inheritdoc/>
    public void Participate(ISiloLifecycle observer) => observer.Subscribe(nameof(NameWatch), ServiceLifecycleStage.Active, Start, Stop);

    private Task Start(CancellationToken cancellation)
    {
        _ = Watch();
        return Task.CompletedTask;
    }

    private Task Stop(CancellationToken cancellation) => stopping.CancelAsync();

    private async Task Watch()
    {
        try
        {
            await foreach (var snapshot in membership.MembershipUpdates.WithCancellation(stopping.Token).ConfigureAwait(false))
            {
                var latest = NamedSilos.Latest(NamedSilos.Active(snapshot));
                if (!latest.TryGetValue(self.Name, out var holder) || !NamedSilos.IsLater(holder, self.SiloAddress)) continue;
                Successor = holder.Endpoint.ToString();
                LogDisplaced(self.Name, Successor);
                host.StopApplication();
                return;
            }
        }
        catch (OperationCanceledException)
        {
            // This silo stops.
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "silo {Name} was started again at {Successor}: this one ends")]
    private partial void LogDisplaced(string name, string successor);
}
