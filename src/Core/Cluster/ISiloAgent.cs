using Orleans.Services;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Core.Cluster;

/// <summary>The agent of one silo: owns the device thread and the store, carries out the protocol's phases. Addressed by silo.</summary>
[Alias("Peft.Orleans.ISiloAgent")]
public interface ISiloAgent : IGrainService
{
    /// <summary>Refuse everything below <paramref name="term"/>; answers with the inventory.</summary>
    [Alias("Fence")]
    Task<FenceReply> Fence(string runId, Term term);

    /// <summary>Take seats and get the target version.</summary>
    [Alias("Start"), ResponseTimeout("01:00:00")]
    Task<StartReply> Start(StartMessage message);

    /// <summary>
    /// Compute version 0 for every first seat that lacks it and whose base gradient needs no pass after <paramref name="pass"/>.
    /// </summary>
    [Alias("Initialize"), ResponseTimeout("01:00:00")]
    Task<VersionsReply> Initialize(string runId, Term term, int pass);

    /// <summary>Measure the reduced gradients of a step; changes nothing.</summary>
    [Alias("Prepare"), ResponseTimeout("00:30:00")]
    Task<PrepareReply> Prepare(string runId, Term term, int step);

    /// <summary>Take the optimizer step.</summary>
    [Alias("Apply"), ResponseTimeout("00:30:00")]
    Task<VersionsReply> Apply(ApplyMessage message);

    /// <summary>Let the first seats here send a version to the layers' other seats; answers when all have it, with their hashes.</summary>
    [Alias("Protect"), ResponseTimeout("00:30:00")]
    Task<VersionsReply> Protect(string runId, Term term, int version);

    /// <summary>Take versions that another seat has sent; answers when they are complete and checked.</summary>
    [Alias("Put"), ResponseTimeout("00:30:00")]
    Task<VersionsReply> Put(PutMessage message);

    /// <summary>Gather the replicas' partial sums at the first seats here, and give the whole sums back.</summary>
    [Alias("Reduce"), ResponseTimeout("00:30:00")]
    Task<DoneReply> Reduce(ReduceMessage message);

    /// <summary>Send this replica's partial sums of some layers to the silo that asks.</summary>
    [Alias("SendSums"), ResponseTimeout("00:30:00")]
    Task<SumsReply> SendSums(SendSumsMessage message);

    /// <summary>Take whole sums.</summary>
    [Alias("TakeSums"), ResponseTimeout("00:30:00")]
    Task<DoneReply> TakeSums(TakeSumsMessage message);

    /// <summary>Send a version of some layers to another silo's data plane.</summary>
    [Alias("Send"), ResponseTimeout("00:30:00")]
    Task<SendReply> Send(string runId, Term term, int[] layers, int version, PlannedSilo target);

    /// <summary>Load base weights in the background, for seats to come; answers when they are loaded.</summary>
    [Alias("Preload"), ResponseTimeout("01:00:00")]
    Task Preload(RunDefinition run, int[] layers);

    /// <summary>Write the version's files (one per active layer) into a folder.</summary>
    [Alias("WriteSnapshot"), ResponseTimeout("01:00:00")]
    Task<FilesReply> WriteSnapshot(string runId, Term term, int version, string folder);

    /// <summary>Write the adapter's tensors of a version (method full: the weights), one file per active layer, into a folder.</summary>
    [Alias("WriteAdapter"), ResponseTimeout("01:00:00")]
    Task<FilesReply> WriteAdapter(string runId, Term term, int version, string folder);

    /// <summary>Drop all state of a run.</summary>
    [Alias("End")]
    Task End(string runId, Term term);

    /// <summary>Drop all state of a run that goes on without this silo, and say why.</summary>
    [Alias("LeaveOut")]
    Task LeaveOut(string runId, Term term, string reason);

    /// <summary>Names of those of some silos whose data plane accepts no connection from here.</summary>
    [Alias("Unreachable")]
    Task<string[]> Unreachable(PlannedSilo[] silos);

    /// <summary>Describe the silo.</summary>
    [Alias("Describe")]
    Task<AgentReport> Describe();
}

/// <summary>Microbatches of a run: (step, index) → token ids and labels, the same on every call; key: run id.</summary>
[Alias("Peft.Orleans.IDatasetGrain")]
public interface IDatasetGrain : IGrainWithStringKey
{
    /// <summary>
    /// Loads the data sets of a run; idempotent. Every call compares the files with what they were when the run was created.
    /// </summary>
    [Alias("Open"), ResponseTimeout("00:30:00")]
    Task<DatasetSummary> Open(ResolvedRun run, string folder);

    /// <summary>What the coordinator has to know of a step's microbatches, in order.</summary>
    [Alias("OutlineStep")]
    Task<Batches.BatchOutline[]> OutlineStep(int step);

    /// <summary>The same of sample i of the run's own order, alone.</summary>
    [Alias("OutlineSample")]
    Task<Batches.BatchOutline> OutlineSample(int index);

    /// <summary>The same of the validation set.</summary>
    [Alias("OutlineValidation")]
    Task<Batches.BatchOutline[]> OutlineValidation();

    /// <summary>A microbatch with its ids and labels, for the shards that read them; null where there is none.</summary>
    [Alias("Get")]
    Task<Batches.Microbatch?> Get(Batches.BatchKey key);
}

/// <summary>What a data set holds.</summary>
/// <param name="Steps">Steps of the run.</param>
/// <param name="Samples">Training samples.</param>
/// <param name="Dropped">Samples dropped for their length.</param>
/// <param name="ValidationBatches">Validation microbatches.</param>
/// <param name="Sha256">Hash of the training file.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.DatasetSummary")]
public sealed record DatasetSummary(int Steps, int Samples, int Dropped, int ValidationBatches, string Sha256);
