// The flow: a question goes to an agent with the scripted model and these tools; its answer is the last node's.
const text = (name) => ({ id: name, property: name, type: 'string', description: name, required: false })

exports.TOOLS = [
    {
        name: 'calculator',
        description: 'Multiplies the numbers of an expression such as 6*7.',
        schema: [{ ...text('expression'), required: true }],
        func: 'const [a, b] = $expression.match(/\\d+/g); return String(a * b)'
    },
    {
        name: 'notes',
        description: 'Searches the notes.',
        schema: [text('action'), text('text'), text('topic')],
        func: "return 'lunch is at noon'"
    },
    {
        name: 'research',
        description: 'Looks a topic up, which takes a while.',
        schema: [{ ...text('topic'), required: true }],
        func: `await new Promise((resolve) => setTimeout(resolve, 500))
return \`What is known about \${$topic} is shown in many books, and none contradicts the others about the moon.\``
    },
    {
        name: 'weather',
        description: 'Reads the weather.',
        schema: [text('place')],
        func: "throw new Error('the station is unavailable')"
    }
]

exports.flowOf = (tools, basepath) => {
    const node = (name, label, version, inputs) => ({
        id: `${name}_0`,
        type: 'agentFlow',
        position: { x: 0, y: 0 },
        data: {
            id: `${name}_0`, name, label, version, inputs, type: label, category: 'Agent Flows', baseClasses: [label],
            inputParams: [], inputAnchors: [], outputs: {}, outputAnchors: [{ id: `${name}_0-output-${name}`, label, name }]
        }
    })
    const start = node('startAgentflow', 'Start', 1.1, { startInputType: 'chatInput' })
    const agent = node('agentAgentflow', 'Agent', 1, {
        agentModel: 'chatOpenAI',
        agentModelConfig: { agentModel: 'chatOpenAI', modelName: 'scripted', streaming: true, timeout: 2000, basepath },
        agentMessages: [],
        agentTools: tools.map((tool) => ({
            agentSelectedTool: 'customTool',
            agentSelectedToolConfig: { agentSelectedTool: 'customTool', selectedTool: tool.id }
        })),
        agentEnableMemory: true,
        agentMemoryType: 'allMessages',
        agentReturnResponseAs: 'userMessage'
    })
    const handle = 'startAgentflow_0-output-startAgentflow'
    const edge = { source: start.id, sourceHandle: handle, target: agent.id, targetHandle: agent.id, type: 'agentFlow', id: 'asked' }
    return { nodes: [start, agent], edges: [edge] }
}
