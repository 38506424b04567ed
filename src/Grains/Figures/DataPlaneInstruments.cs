using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.Figures;

/// <summary>Tensors on their way between silos.</summary>
internal sealed class DataPlaneInstruments(FigureSet silo)
{
    /// <summary>A tensor was handed to the network.</summary>
    /// <param name="peer">Name of the silo it goes to.</param>
    /// <param name="bytes">Its size.</param>
    /// <param name="time">How long it took.</param>
    internal void Sent(string peer, long bytes, TimeSpan time)
    {
        silo.Add(DataPlaneMetrics.Sent, bytes, peer);
        silo.Add(DataPlaneMetrics.Transfers, 1, peer);
        silo.Record(DataPlaneMetrics.SendDuration, time.TotalSeconds);
    }

    /// <summary>A chunk has arrived whole.</summary>
    internal void Received(int bytes) => silo.Add(DataPlaneMetrics.Received, bytes);

    /// <summary>A chunk was thrown away.</summary>
    internal void Refused() => silo.Add(DataPlaneMetrics.Refused, 1);

    /// <summary>A connection or a chunk failed.</summary>
    /// <param name="reason">One of <see cref="MetricLabel.TransferFailure"/>.</param>
    internal void Failed(string reason) => silo.Add(DataPlaneMetrics.Failures, 1, reason);

    /// <summary>What can be counted when somebody asks.</summary>
    /// <param name="incoming">Connections that others have opened.</param>
    /// <param name="outgoing">Connections to others.</param>
    /// <param name="pending">Tensors that are waited for.</param>
    internal void Watch(Func<int> incoming, Func<int> outgoing, Func<int> pending)
    {
        silo.Ask(DataPlaneMetrics.Connections, () => [("in", incoming()), ("out", outgoing())]);
        silo.Ask(DataPlaneMetrics.Pending, () => pending());
    }
}
