using Peft.Orleans.Data.Jinja.Nodes;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Makes nodes of a template's text: its statements, between them its text and what it prints.</summary>
internal sealed class Parser
{
    private readonly TokenCursor tokens;
    private readonly TemplateNames names = new();
    private readonly ExpressionParser expressions;
    private readonly TargetParser targets;
    private readonly Stack<string> open = new();

    // Loops around the statement, of the macro or block it stands in.
    private int loops;

    // Tags that end what is being read.
    private string[] ends = [];

    private Parser(List<Token> read)
    {
        tokens = new TokenCursor(read);
        expressions = new ExpressionParser(tokens, names);
        targets = new TargetParser(tokens, names, expressions);
    }

    /// <summary>Statements of a template, the numbers of its names, and the fields it reads.</summary>
    /// <exception cref="JinjaException">It is not written as a template is; with the line.</exception>
    public static (Statement[] Body, IReadOnlyDictionary<string, int> Names, IReadOnlySet<string> Fields) Parse(string text)
    {
        var parser = new Parser(Lexer.Read(text));
        var body = parser.Body();
        var names = parser.names;
        return names.Unknown is { } unknown ? throw unknown : (body, names.Numbers, names.Fields.All());
    }

    /// <summary>Statements up to one of some tags, which is the current token then; without tags to the end.</summary>
    private Statement[] Body(params string[] until)
    {
        var (outer, body) = (ends, new List<Statement>());
        ends = until;
        while (true)
        {
            var token = tokens.Next();
            switch (token.Kind)
            {
                case TokenKind.End:
                    if (until.Length > 0) throw tokens.Wrong("Unexpected end of template. " + Looking());
                    ends = outer;
                    return [.. body];
                case TokenKind.Data:
                    body.Add(new Literal(token.Text));
                    break;
                case TokenKind.PrintBegin:
                    body.Add(new Print(expressions.Tuple()) { Line = token.Line });
                    tokens.Expect(TokenKind.PrintEnd, "end of print statement");
                    break;
                default:
                    if (Array.Exists(until, tokens.Current.IsName))
                    {
                        ends = outer;
                        return [.. body];
                    }

                    body.AddRange(tokens.Nested(Statement));
                    tokens.Expect(TokenKind.BlockEnd, "end of statement block");
                    break;
            }
        }
    }

    private Statement[] Statement()
    {
        var token = tokens.Expect(TokenKind.Name, "tag name");
        open.Push(token.Text);
        Statement[] made = token.Text switch
        {
            "for" => [For(token.Line)],
            "if" => [If(token.Line)],
            "set" => [Set(token.Line)],
            "macro" => [Macro()],
            "call" => [CallBlock(token.Line)],
            "filter" => [FilterBlock(token.Line)],
            "with" => [With(token.Line)],
            "generation" => [new Generation(Apart(() => Rest("endgeneration"))) { Line = token.Line }],
            "break" or "continue" => [Leave(token)],
            "print" => Prints(token.Line),
            "autoescape" or "block" or "extends" or "include" or "import" or "from" => throw TokenCursor.Wrong(
                $"the tag '{token.Text}' belongs to web pages of several files; a chat template is one text without it", token.Line),
            _ => throw Unknown(token),
        };
        open.Pop();
        return made;
    }

    private JinjaException Unknown(Token token)
    {
        open.Pop();
        return TokenCursor.Wrong($"Encountered unknown tag '{token.Text}'. {Looking()}".TrimEnd(), token.Line);
    }

    private string Looking() =>
        (ends.Length > 0 ? $"Jinja was looking for the following tags: {string.Join(" or ", ends.Select(static end => $"'{end}'"))}. " : "")
        + (open.Count > 0 ? $"The innermost block that needs to be closed is '{open.Peek()}'." : "");

    // A body that begins after the tag's end; the token after it is one of the tags.
    private Statement[] Block(params string[] until)
    {
        tokens.Skip(":");
        tokens.Expect(TokenKind.BlockEnd, "end of statement block");
        return Body(until);
    }

    private Statement[] Rest(string end)
    {
        var body = Block(end);
        tokens.Next();
        return body;
    }

    // Bodies that Jinja compiles apart: no loop around them can be left from within.
    private T Apart<T>(Func<T> read)
    {
        var outer = loops;
        loops = 0;
        var result = names.Within(leniently: false, read);
        loops = outer;
        return result;
    }

    private For For(int line)
    {
        var target = targets.Read("in");
        if (!tokens.SkipName("in")) throw tokens.Unexpected("in");
        var elements = expressions.Tuple(withConditions: false, endName: "recursive");
        names.Fields.Given(target, elements);
        return names.Within(leniently: false, () =>
        {
            var condition = tokens.SkipName("if") ? expressions.Read() : null;
            var recursive = tokens.SkipName("recursive");
            loops++;
            var body = Block("endfor", "else");
            loops--;
            var otherwise = tokens.Next().Text == "endfor" ? [] : Rest("endfor");
            return new For(target, elements, condition, body, otherwise, recursive, names.Number("loop")) { Line = line };
        });
    }

    private If If(int line) => names.Within(leniently: true, () =>
    {
        var branches = new List<(Expression, Statement[])>();
        Statement[] otherwise = [];
        string end;
        do
        {
            var condition = expressions.Tuple(withConditions: false);
            branches.Add((condition, Block("elif", "else", "endif")));
            end = tokens.Next().Text;
        }
        while (end == "elif");
        if (end == "else") otherwise = Rest("endif");
        return new If([.. branches], otherwise) { Line = line };
    });

    private Statement Set(int line)
    {
        var target = targets.Read(withNamespaces: true);
        if (tokens.Skip("="))
        {
            var value = expressions.Tuple();
            names.Fields.Given(target, value);
            return new Set(target, value) { Line = line };
        }

        Filtered? filter = null;
        while (tokens.Current.IsSign("|")) filter = expressions.Operands.Filter(filter);
        return new SetBlock(target, filter, names.Within(leniently: false, () => Rest("endset"))) { Line = line };
    }

    private Macro Macro()
    {
        var name = tokens.Expect(TokenKind.Name, "name").Text;
        var target = new NameTarget(names.Number(name));
        return new Macro(Definition(name, targets.Parameters, "endmacro"), target);
    }

    private CallBlock CallBlock(int line)
    {
        var parameters = tokens.Current.IsSign("(") ? targets.Parameters() : [];
        if (expressions.Read() is not Call call) throw TokenCursor.Wrong("expected call", line);
        return new CallBlock(call, Definition("caller", () => parameters, "endcall")) { Line = line };
    }

    private MacroDefinition Definition(string name, Func<(string, int, Expression?)[]> parameters, string end)
    {
        return names.InMacro(() => Apart(() =>
        {
            var read = parameters();
            var body = Rest(end);
            return new MacroDefinition(name, read, body, Extra("varargs"), Extra("kwargs"), Extra("caller"));
        }));

        int? Extra(string extra) => names.Loads(extra) ? names.Number(extra) : null;
    }

    private FilterBlock FilterBlock(int line)
    {
        var filter = expressions.Operands.Filter(null, begun: true);
        while (tokens.Current.IsSign("|")) filter = expressions.Operands.Filter(filter);
        return new FilterBlock(filter, names.Within(leniently: false, () => Rest("endfilter"))) { Line = line };
    }

    private With With(int line) => names.Within(leniently: false, () =>
    {
        var variables = new List<(Target, Expression)>();
        while (tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (variables.Count > 0) tokens.Expect(",");
            var target = targets.Read();
            tokens.Expect("=");
            var value = expressions.Read();
            names.Fields.Given(target, value);
            variables.Add((target, value));
        }

        return new With([.. variables], Rest("endwith")) { Line = line };
    });

    private Leave Leave(Token token)
    {
        if (loops == 0) throw TokenCursor.Wrong($"'{token.Text}' outside loop", token.Line);
        return new Leave(token.Text == "break" ? Flow.Break : Flow.Continue);
    }

    private Statement[] Prints(int line)
    {
        var printed = new List<Statement>();
        while (tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (printed.Count > 0) tokens.Expect(",");
            printed.Add(new Print(expressions.Read()) { Line = line });
        }

        return [.. printed];
    }
}
