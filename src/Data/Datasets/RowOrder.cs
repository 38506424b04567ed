namespace Peft.Orleans.Data.Datasets;

/// <summary>Which row stands where in each epoch: a pure function of the run file and the data. Safe to use from several threads.</summary>
internal abstract class RowOrder
{
    /// <summary>Rows of an epoch.</summary>
    public abstract int PerEpoch { get; }

    /// <summary>The row at a place of an epoch (both from 0).</summary>
    public abstract int At(int epoch, int place);
}
